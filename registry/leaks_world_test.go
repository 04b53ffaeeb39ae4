package registry_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

// leakWorld is a registry with all that one may be spread over. Every host in
// it has secrets of its own, whose names say whose they are:
// leak-<owner>-<kind>. Every host writes down whatever reaches it.
type leakWorld struct {
	hosts map[string]*leakHost // by the owner's name
	proxy *leakHost

	mu   sync.Mutex
	seen map[leak]string // the request or handshake in which it was seen first
}

// leak is a secret at a host.
type leak struct{ at, owner, kind string }

type leakHost struct {
	*httptest.Server
	name string
	cert tls.Certificate // that of the client, for this host
}

// at is the host as references have it.
func (h *leakHost) at() string { return h.Listener.Addr().String() }

func newLeakWorld() *leakWorld {
	return &leakWorld{hosts: map[string]*leakHost{}, seen: map[leak]string{}}
}

// add starts a host that speaks TLS and asks each client for a certificate.
func (w *leakWorld) add(t *testing.T, name string, answer http.HandlerFunc) *leakHost {
	t.Helper()
	h := w.listen(name, answer)
	h.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, VerifyConnection: func(s tls.ConnectionState) error {
		for _, c := range s.PeerCertificates {
			w.note(name, c.Subject.CommonName, "a handshake")
		}
		return nil
	}}
	h.StartTLS()
	t.Cleanup(h.Close)
	h.cert = leakCertificate(t, "leak-"+name+"-certificate")
	w.hosts[name] = h
	return h
}

// addProxy starts the proxy, through which one reaches the storage.
func (w *leakWorld) addProxy(t *testing.T) {
	w.proxy = w.listen("proxy", leakConnect)
	w.proxy.Start()
	t.Cleanup(w.proxy.Close)
}

func (w *leakWorld) listen(name string, answer http.HandlerFunc) *leakHost {
	return &leakHost{name: name, Server: httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(body))
		w.note(name, leakText(req, body), req.Method+" "+req.URL.Path)
		rw.Header().Set("Set-Cookie", "session=leak-"+name+"-cookie; Path=/")
		answer(rw, req)
	}))}
}

// leakText is all that a request says, in clear.
func leakText(req *http.Request, body []byte) string {
	var b strings.Builder
	b.WriteString(req.RequestURI + "\n" + req.Host + "\n")
	req.Header.Write(&b)
	for _, name := range []string{"Authorization", "Proxy-Authorization"} {
		if _, encoded, found := strings.Cut(req.Header.Get(name), "Basic "); found {
			decoded, _ := base64.StdEncoding.DecodeString(encoded)
			b.Write(append(decoded, '\n'))
		}
	}
	b.Write(body)
	text, err := url.QueryUnescape(b.String())
	if err != nil {
		return b.String()
	}
	return b.String() + text
}

var leakNames = regexp.MustCompile(`leak-([a-z]+)-([a-z]+)`)

func (w *leakWorld) note(at, text, when string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range leakNames.FindAllStringSubmatch(text, -1) {
		l := leak{at, m[1], m[2]}
		if _, ok := w.seen[l]; !ok {
			w.seen[l] = when
		}
	}
}

// leakConnect tunnels, as proxies do.
func leakConnect(rw http.ResponseWriter, req *http.Request) {
	there, err := net.Dial("tcp", req.Host)
	if req.Method != http.MethodConnect || err != nil {
		rw.WriteHeader(http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := rw.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		io.Copy(there, buffered)
		there.Close()
	}()
	io.Copy(here, there)
}

// client knows every secret of every host.
func (w *leakWorld) client(t *testing.T, origin auth.Credential) *registry.Client {
	t.Helper()
	var credentials []auth.Provider
	configs := map[string]registry.HostConfig{}
	for name, h := range w.hosts {
		c := auth.Credential{Username: "me", Password: auth.NewSecret("leak-" + name + "-password")}
		if name == "origin" {
			c = origin
		}
		credentials = append(credentials, auth.Static(auth.Resource{Host: h.at()}, c))
		config := registry.HostConfig{
			TLS:    &registry.TLS{Roots: []*x509.Certificate{h.Certificate()}, Certificates: []tls.Certificate{h.cert}},
			Header: http.Header{"X-Key": {"leak-" + name + "-header"}, "X-Of-" + name: {"leak-" + name + "-header"}},
			Proxy:  func(*http.Request) (*url.URL, error) { return nil, nil },
		}
		if name == "storage" {
			config.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: w.proxy.at(), User: url.UserPassword("me", "leak-proxy-password")})
		}
		configs[h.at()] = config
	}
	origins := configs[w.hosts["origin"].at()]
	origins.Mirrors = []registry.Mirror{{Host: w.hosts["mirror"].at(), Namespace: true}}
	configs[w.hosts["origin"].at()] = origins
	client, err := registry.NewClient(&registry.Options{
		Credentials: auth.Chain(credentials...),
		Hosts:       func(host string) (registry.HostConfig, error) { return configs[host], nil },
		Retry:       registry.Retry{Attempts: 3, Wait: time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// leakCertificate is a client certificate by this name.
func leakCertificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
