package acr

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

const (
	tenant   = "7f3b1c9e-0000-4000-8000-00000000aaaa"
	clientID = "11111111-2222-3333-4444-555555555555"
	secret   = "canary-client-secret"
	idHeader = "canary-identity-header"
	registry = "contoso.azurecr.io"
)

// azure plays Entra ID, registries, the Instance Metadata Service and the
// endpoint of App Service, and checks what they check. Its switches are set
// before the first request.
type azure struct {
	t                *testing.T
	web, machine     *httptest.Server
	platform, entra  *rsa.PrivateKey
	registryKey      *rsa.PrivateKey
	hosts            []string // whom connections were made to
	life             time.Duration
	several          bool // IMDS and App Service: more than one identity is assigned
	noIdentity       bool // IMDS: nothing is assigned
	noMachine        bool // nobody answers at the metadata address
	answers          map[string]func(http.ResponseWriter, *http.Request) bool
	mu               sync.Mutex
	calls            map[string]int
	refreshTokens    int
	lastAssertionJTI string
}

var keys = sync.OnceValue(func() []*rsa.PrivateKey {
	var list []*rsa.PrivateKey
	for range 4 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		list = append(list, k)
	}
	return list
})

// newAzure starts the fakes and empties the environment.
func newAzure(t *testing.T) *azure {
	for _, name := range []string{
		"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST",
		"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT",
	} {
		t.Setenv(name, "")
	}
	k := keys()
	a := &azure{
		t: t, platform: k[0], entra: k[1], registryKey: k[2], life: 3 * time.Hour,
		calls: map[string]int{}, answers: map[string]func(http.ResponseWriter, *http.Request) bool{},
	}
	a.web = httptest.NewUnstartedServer(http.HandlerFunc(a.serveWeb))
	a.web.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, k[3])}}
	a.web.StartTLS()
	a.machine = httptest.NewServer(http.HandlerFunc(a.serveMachine))
	t.Cleanup(func() { a.web.Close(); a.machine.Close() })
	return a
}

// options lead every connection to the fakes, by whatever name.
func (a *azure) options() *Options {
	machine := &http.Transport{DialContext: a.dialer(a.machine)}
	a.t.Cleanup(machine.CloseIdleConnections)
	return &Options{Transport: a.transport(), MetadataTransport: machine}
}

func (a *azure) transport() *http.Transport {
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(a.web.TLS.Certificates[0].Certificate[0])
	if err != nil {
		a.t.Fatal(err)
	}
	pool.AddCert(leaf)
	web := &http.Transport{
		DialContext: a.dialer(a.web), TLSClientConfig: &tls.Config{RootCAs: pool},
	}
	a.t.Cleanup(web.CloseIdleConnections)
	return web
}

func (a *azure) dialer(to *httptest.Server) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		a.mu.Lock()
		a.hosts = append(a.hosts, address)
		a.mu.Unlock()
		if to == a.machine && a.noMachine {
			return nil, fmt.Errorf("nobody is at %s", address)
		}
		return new(net.Dialer).DialContext(ctx, network, to.Listener.Addr().String())
	}
}

func (a *azure) provider(opts *Options) auth.Provider {
	a.t.Helper()
	p, err := New(opts)
	if err != nil {
		a.t.Fatal(err)
	}
	return p
}

func (a *azure) count(what string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[what]
}
