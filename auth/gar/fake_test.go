package gar

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

	"github.com/portolan-oci/portolan/auth"
)

const (
	registry     = "us-central1-docker.pkg.dev"
	robot        = "robot@project.iam.gserviceaccount.com"
	machineRobot = "1234-compute@developer.gserviceaccount.com"
	tokenURL     = "https://oauth2.googleapis.com/token"
	stsURL       = "https://sts.googleapis.com/v1/token"
	iamURL       = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + robot + ":generateAccessToken"
	pool         = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k"
	refreshToken = "canary-refresh-token"
	clientSecret = "canary-client-secret"
	platformKey  = "canary-platform-key"
)

// google plays the token endpoints, the metadata server, another platform and
// a registry, and checks what they check. Its switches are set before the
// first request.
type google struct {
	t            *testing.T
	web, machine *httptest.Server
	key          *rsa.PrivateKey // of the robot
	platform     *rsa.PrivateKey
	hosts        []string // whom connections were made to
	life         int      // seconds
	noAccount    bool     // metadata: none is attached
	noMachine    bool     // nobody answers at the metadata address
	flavor       string   // of the metadata server
	answers      map[string]func(http.ResponseWriter, *http.Request) bool

	mu      sync.Mutex
	calls   map[string]int
	issued  map[string]string // access token to whose it is
	subject string            // the jti of the last subject token
}

var keys = sync.OnceValue(func() []*rsa.PrivateKey {
	var list []*rsa.PrivateKey
	for range 3 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		list = append(list, k)
	}
	return list
})

// newGoogle starts the fakes and empties the environment and the home
// directory.
func newGoogle(t *testing.T) *google {
	for _, name := range []string{"GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST", "CLOUDSDK_CONFIG", "APPDATA"} {
		t.Setenv(name, "")
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	k := keys()
	g := &google{
		t: t, key: k[0], platform: k[1], life: 3599, flavor: "Google",
		calls: map[string]int{}, issued: map[string]string{}, answers: map[string]func(http.ResponseWriter, *http.Request) bool{},
	}
	g.web = httptest.NewUnstartedServer(http.HandlerFunc(g.serveWeb))
	g.web.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, k[2])}}
	g.web.StartTLS()
	g.machine = httptest.NewServer(http.HandlerFunc(g.serveMachine))
	t.Cleanup(func() { g.web.Close(); g.machine.Close() })
	return g
}

// options lead every connection to the fakes, by whatever name.
func (g *google) options() *Options {
	machine := &http.Transport{DialContext: g.dialer(g.machine)}
	g.t.Cleanup(machine.CloseIdleConnections)
	return &Options{Transport: g.transport(), MetadataTransport: machine}
}

func (g *google) transport() *http.Transport {
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(g.web.TLS.Certificates[0].Certificate[0])
	if err != nil {
		g.t.Fatal(err)
	}
	pool.AddCert(leaf)
	web := &http.Transport{DialContext: g.dialer(g.web), TLSClientConfig: &tls.Config{RootCAs: pool}}
	g.t.Cleanup(web.CloseIdleConnections)
	return web
}

func (g *google) dialer(to *httptest.Server) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		g.mu.Lock()
		g.hosts = append(g.hosts, address)
		g.mu.Unlock()
		if to == g.machine && g.noMachine {
			return nil, fmt.Errorf("nobody is at %s", address)
		}
		return new(net.Dialer).DialContext(ctx, network, to.Listener.Addr().String())
	}
}

func (g *google) provider(opts *Options) auth.Provider {
	g.t.Helper()
	p, err := New(opts)
	if err != nil {
		g.t.Fatal(err)
	}
	return p
}

func (g *google) count(what string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls[what]
}

// owner tells whose access token it is.
func (g *google) owner(token string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.issued[token]
}

func (g *google) issue(owner string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	token := fmt.Sprintf("ya29.canary-%d", len(g.issued))
	g.issued[token] = owner
	return token
}

func (g *google) intercepted(what string, w http.ResponseWriter, r *http.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls[what]++
	answer := g.answers[what]
	return answer != nil && answer(w, r)
}
