package registry_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/registry"
)

// hostsAuthority signs the certificates of a test.
type hostsAuthority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newHostsAuthority(t *testing.T) *hostsAuthority {
	t.Helper()
	a := new(hostsAuthority)
	der, key := a.sign(t, &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, time.Hour)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &hostsAuthority{cert, key}
}

func (a *hostsAuthority) sign(t *testing.T, template *x509.Certificate, life time.Duration) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.Subject = pkix.Name{CommonName: rand.Text()} // no two authorities of one name
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(life)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

// pair makes a client certificate of that serial number, in PEM.
func (a *hostsAuthority) pair(t *testing.T, serial int64, life time.Duration) (cert, key string) {
	t.Helper()
	der, private := a.sign(t, &x509.Certificate{SerialNumber: big.NewInt(serial), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, life)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return hostsPEM("CERTIFICATE", der), hostsPEM("PRIVATE KEY", raw)
}

func hostsPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// hostsMutual is a registry with nothing in it that knows its clients by their
// certificates, and writes their serial numbers down.
type hostsMutual struct {
	*httptest.Server
	host string
	root string // PEM

	mu      sync.Mutex
	serials []int64
}

func newHostsMutual(t *testing.T, a *hostsAuthority) *hostsMutual {
	t.Helper()
	m := new(hostsMutual)
	m.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		m.mu.Lock()
		m.serials = append(m.serials, req.TLS.PeerCertificates[0].SerialNumber.Int64())
		m.mu.Unlock()
		w.WriteHeader(http.StatusNotFound)
	}))
	clients := x509.NewCertPool()
	clients.AddCert(a.cert)
	m.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	m.Config.SetKeepAlivesEnabled(false) // each request is a handshake
	m.Config.ErrorLog = nil
	m.StartTLS()
	t.Cleanup(m.Close)
	m.host = strings.TrimPrefix(m.URL, "https://")
	m.root = hostsPEM("CERTIFICATE", m.Certificate().Raw)
	return m
}

// ask makes one request and returns the serial number that was shown; 0: it
// did not come to that.
func (m *hostsMutual) ask(t *testing.T, repo *registry.Repository) (int64, error) {
	t.Helper()
	m.mu.Lock()
	before := len(m.serials)
	m.mu.Unlock()
	_, err := repo.Resolve(t.Context(), "1")
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.serials) == before {
		return 0, err
	}
	return m.serials[len(m.serials)-1], err
}

func hostsWrite(t *testing.T, content string, elem ...string) string {
	t.Helper()
	name := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// hostsOpen opens a repository under one configuration for all hosts.
func hostsOpen(t *testing.T, host string, hosts func(string) (registry.HostConfig, error)) *registry.Repository {
	t.Helper()
	client, err := registry.NewClient(&registry.Options{Hosts: hosts, Retry: registry.Retry{Attempts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: host, Repository: "team/app"})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}
