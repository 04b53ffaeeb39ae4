package registry_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

// leaksNames is a network behind a proxy in which r.example and s.example are
// registries, auth.example and others.example their token servers and
// blobs.example their storage. It writes down
// which certificate of a client was shown under which server name.
type leaksNames struct {
	proxy  *url.URL
	server *httptest.Server

	mu    sync.Mutex
	shown map[string]string // "" for none
}

func newLeaksNames(t *testing.T, content []byte) *leaksNames {
	n := &leaksNames{shown: map[string]string{}}
	n.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.Host == "auth.example" || req.Host == "others.example":
			io.WriteString(w, `{"token":"t"}`)
		case req.Host == "blobs.example":
			w.Write(content)
		case req.Header.Get("Authorization") == "":
			realm := map[string]string{"r.example": "auth.example", "s.example": "others.example"}[req.Host]
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://`+realm+`/token"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			http.Redirect(w, req, "https://blobs.example/b", http.StatusTemporaryRedirect)
		}
	}))
	n.server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, VerifyConnection: func(s tls.ConnectionState) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.shown[s.ServerName] = ""
		if len(s.PeerCertificates) > 0 {
			n.shown[s.ServerName] = s.PeerCertificates[0].Subject.CommonName
		}
		return nil
	}}
	n.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	n.server.StartTLS()
	t.Cleanup(n.server.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		req.Host = n.server.Listener.Addr().String()
		leakConnect(w, req)
	}))
	t.Cleanup(proxy.Close)
	n.proxy = &url.URL{Scheme: "http", Host: proxy.Listener.Addr().String()}
	return n
}

func (n *leaksNames) client(t *testing.T, options *registry.Options, config func(host string) *registry.TLS) *registry.Client {
	t.Helper()
	options.Retry = registry.Retry{Attempts: 1}
	options.Hosts = func(host string) (registry.HostConfig, error) {
		return registry.HostConfig{Proxy: http.ProxyURL(n.proxy), TLS: config(host)}, nil
	}
	client, err := registry.NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (n *leaksNames) fetch(t *testing.T, client *registry.Client, content []byte) error {
	t.Helper()
	return n.fetchFrom(t, "r.example", client, content)
}

func (n *leaksNames) fetchFrom(t *testing.T, host string, client *registry.Client, content []byte) error {
	t.Helper()
	repo, err := client.Repository(registry.Reference{Host: host, Repository: "team/app"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = fetchAll(t.Context(), repo, leakDescriptor(content))
	return err
}

// A client certificate is shown to the host that it is for, and each host is
// asked for by its own name.
func Test59ClientCertificatesAndNames(t *testing.T) {
	content := []byte("content")
	for name, tc := range map[string]struct {
		certs map[string]string // by host
		want  map[string]string // by server name
	}{
		"of the registry":          {map[string]string{"r.example": "r"}, map[string]string{"r.example": "r", "auth.example": "", "blobs.example": ""}},
		"of the registry and blob": {map[string]string{"r.example": "r", "blobs.example": "b"}, map[string]string{"r.example": "r", "auth.example": "", "blobs.example": "b"}},
		"of the token server":      {map[string]string{"auth.example": "a"}, map[string]string{"r.example": "", "auth.example": "a", "blobs.example": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newLeaksNames(t, content)
			client := n.client(t, &registry.Options{}, func(host string) *registry.TLS {
				config := &registry.TLS{InsecureSkipVerify: true}
				if name := tc.certs[host]; name != "" {
					config.Certificates = []tls.Certificate{leakCertificate(t, name)}
				}
				return config
			})
			if err := n.fetch(t, client, content); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(n.shown); got != fmt.Sprint(tc.want) {
				t.Errorf("certificates by server name: %s, want %v", got, tc.want)
			}
		})
	}
}

// What a registry is not verified for is said, and is not for the token server
// that it names, which gets the password.
func Test59UnverifiedRegistry(t *testing.T) {
	content := []byte("content")
	for name, tc := range map[string]struct {
		config func(host string) *registry.TLS
		named  string // a host that the caller has named before
		works  bool
	}{
		"for the registry alone": {func(host string) *registry.TLS {
			return &registry.TLS{InsecureSkipVerify: host == "r.example" || host == "blobs.example"}
		}, "", false},
		"for any host": {func(string) *registry.TLS { return &registry.TLS{InsecureSkipVerify: true, AnyHost: true} }, "", false},
		"for any host, and the token server was named": {func(string) *registry.TLS {
			return &registry.TLS{InsecureSkipVerify: true, AnyHost: true}
		}, "auth.example", true},
		"for each by its name": {func(string) *registry.TLS { return &registry.TLS{InsecureSkipVerify: true} }, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			n := newLeaksNames(t, content)
			var lines strings.Builder
			client := n.client(t, &registry.Options{Logger: leaksLogger(&lines),
				Credentials: auth.Static(auth.Resource{Host: "r.example"}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")})}, tc.config)
			if tc.named != "" {
				if _, err := client.Repository(registry.Reference{Host: tc.named, Repository: "a"}); err != nil {
					t.Fatal(err)
				}
			}
			err := n.fetch(t, client, content)
			var unverified *tls.CertificateVerificationError
			if tc.works != (err == nil) || err != nil && !errors.As(err, &unverified) {
				t.Errorf("error = %v", err)
			}
			if !strings.Contains(lines.String(), `level=WARN msg="certificates of this host are not verified" host=r.example`) {
				t.Errorf("no warning in %s", lines.String())
			}
		})
	}
}

// Roots of a host are added to the system's, or stand alone where that is asked
// for; what is loaded for one host is not trusted for another.
func Test60Roots(t *testing.T) {
	a := newHostsAuthority(t)
	s := leaksServer(t, a)
	other := newHostsAuthority(t).cert
	for name, tc := range map[string]struct {
		config *registry.TLS
		works  bool
	}{
		"its authority":               {&registry.TLS{Roots: []*x509.Certificate{a.cert}}, true},
		"its authority alone":         {&registry.TLS{Roots: []*x509.Certificate{a.cert}, ExclusiveRoots: true}, true},
		"another authority":           {&registry.TLS{Roots: []*x509.Certificate{other}}, false},
		"another authority alone":     {&registry.TLS{Roots: []*x509.Certificate{other}, ExclusiveRoots: true}, false},
		"nothing said":                {&registry.TLS{}, false},
		"both authorities, no system": {&registry.TLS{Roots: []*x509.Certificate{other, a.cert}, ExclusiveRoots: true}, true},
	} {
		host := strings.TrimPrefix(s.URL, "https://")
		repo := hostsOpen(t, host, func(asked string) (registry.HostConfig, error) {
			if asked != host {
				return registry.HostConfig{TLS: &registry.TLS{Roots: []*x509.Certificate{a.cert}}}, nil
			}
			return registry.HostConfig{TLS: tc.config}, nil
		})
		_, err := repo.Resolve(t.Context(), "1")
		var unknown x509.UnknownAuthorityError
		if tc.works != errors.Is(err, registry.ErrNotFound) || !tc.works && !errors.As(err, &unknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if (registry.HostConfig{TLS: &registry.TLS{ExclusiveRoots: true}}).Validate() == nil {
		t.Error("exclusive roots without any were taken")
	}
}

// leaksServer is one whose certificate an authority has signed.
func leaksServer(t *testing.T, a *hostsAuthority) *httptest.Server {
	t.Helper()
	der, key := a.sign(t, &x509.Certificate{SerialNumber: a.cert.SerialNumber, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, time.Hour)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// Which scheme a host is spoken to by follows from how it is written and
// configured, never from what its name leads to or how it answers.
func Test61Schemes(t *testing.T) {
	for _, tc := range []struct {
		name, host string
		config     registry.HostConfig
		want       string // scheme of the only request
	}{
		{"a name", "r.example", registry.HostConfig{}, "https"},
		{"localhost", "localhost:5000", registry.HostConfig{}, "http"},
		{"loopback v4", "127.8.0.1:5000", registry.HostConfig{}, "http"},
		{"loopback v6", "[::1]:5000", registry.HostConfig{}, "http"},
		{"loopback with TLS", "localhost:5000", registry.HostConfig{TLS: &registry.TLS{}}, "https"},
		{"loopback at 443", "localhost:443", registry.HostConfig{}, "http"},
		{"a private address", "10.0.0.1:5000", registry.HostConfig{}, "https"},
		{"another private address", "192.168.1.1", registry.HostConfig{}, "https"},
		{"a local name", "registry.local:5000", registry.HostConfig{}, "https"},
		{"a name below localhost", "r.localhost:5000", registry.HostConfig{}, "https"},
		{"a name that begins like it", "localhost.example", registry.HostConfig{}, "https"},
		{"plain as configured", "r.example", registry.HostConfig{PlainHTTP: true}, "http"},
	} {
		var schemes []string
		client, err := registry.NewClient(&registry.Options{
			Retry: registry.Retry{Attempts: 2, Wait: time.Millisecond},
			Hosts: func(string) (registry.HostConfig, error) { return tc.config, nil },
			Transport: leaksTrip(func(req *http.Request) (*http.Response, error) {
				schemes = append(schemes, req.URL.Scheme)
				return nil, errors.New("connection refused")
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		repo, err := client.Repository(registry.Reference{Host: tc.host, Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := repo.Resolve(t.Context(), "1"); err == nil {
			t.Errorf("%s: no error", tc.name)
		}
		if len(schemes) == 0 || strings.Join(schemes, "") != strings.Repeat(tc.want, len(schemes)) {
			t.Errorf("%s: asked by %v, want %s alone", tc.name, schemes, tc.want)
		}
	}
}

type leaksTrip func(*http.Request) (*http.Response, error)

func (f leaksTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Credentials are not sent in clear but where that is allowed, or on loopback.
func Test61CredentialsOverHTTP(t *testing.T) {
	for _, tc := range []struct {
		name, host string
		config     registry.HostConfig
		sent       bool
	}{
		{"plain HTTP", "r.example", registry.HostConfig{PlainHTTP: true}, false},
		{"plain HTTP, allowed", "r.example", registry.HostConfig{PlainHTTP: true, PlaintextCredentials: true}, true},
		{"loopback", "127.0.0.1:5000", registry.HostConfig{}, true},
		{"private address", "10.0.0.1:5000", registry.HostConfig{PlainHTTP: true}, false},
		{"HTTPS", "r.example", registry.HostConfig{}, true},
	} {
		sent := false
		client, err := registry.NewClient(&registry.Options{
			Credentials: auth.Static(auth.Resource{Host: tc.host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")}),
			Hosts:       func(string) (registry.HostConfig, error) { return tc.config, nil },
			Transport: leaksTrip(func(req *http.Request) (*http.Response, error) {
				resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: req}
				if _, _, ok := req.BasicAuth(); ok {
					sent = true
				} else {
					resp.StatusCode = http.StatusUnauthorized
					resp.Header.Set("WWW-Authenticate", `Basic realm="r"`)
				}
				return resp, nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		repo, err := client.Repository(registry.Reference{Host: tc.host, Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = repo.Resolve(t.Context(), "1")
		if sent != tc.sent || errors.Is(err, auth.ErrPlaintextRefused) == tc.sent {
			t.Errorf("%s: sent %v, %v", tc.name, sent, err)
		}
	}
}
