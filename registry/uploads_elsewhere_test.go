package registry_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

// uploadsStore takes what is PUT, as an object store does.
type uploadsStore struct {
	got     []byte
	headers http.Header
	query   string
	certs   int
	status  int
}

func (s *uploadsStore) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.got, _ = io.ReadAll(req.Body)
	s.headers, s.query = req.Header, req.URL.RawQuery
	if req.TLS != nil {
		s.certs = len(req.TLS.PeerCertificates)
	}
	if s.status != 0 {
		w.WriteHeader(s.status)
	}
}

func Test54UploadsElsewhere(t *testing.T) {
	const canary = "canary-of-the-registry"
	store := new(uploadsStore)
	storeServer := httptest.NewUnstartedServer(store)
	storeServer.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	storeServer.StartTLS()
	defer storeServer.Close()

	certs, authorized := 0, false
	registryServer := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		certs = len(req.TLS.PeerCertificates)
		if _, password, _ := req.BasicAuth(); password != canary {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		authorized = true
		w.Header().Set("Set-Cookie", "session="+canary)
		w.Header().Set("Location", storeServer.URL+"/bucket/1?X-Signature=signed%2Fsecret&a=b")
		w.WriteHeader(http.StatusAccepted)
	}))
	registryServer.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	registryServer.StartTLS()
	defer registryServer.Close()
	host := strings.TrimPrefix(registryServer.URL, "https://")

	var log bytes.Buffer
	client, err := registry.NewClient(&registry.Options{
		Logger:      slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Retry:       registry.Retry{Attempts: 2, Wait: 1},
		Credentials: auth.Static(auth.Resource{Host: host}, auth.Credential{Username: "me", Password: auth.NewSecret(canary)}),
		Hosts: func(h string) (registry.HostConfig, error) {
			config := registry.HostConfig{TLS: &registry.TLS{Roots: []*x509.Certificate{registryServer.Certificate(), storeServer.Certificate()}}}
			if h == host {
				config.TLS.Certificates = registryServer.TLS.Certificates
				config.Header = http.Header{"X-Canary": {canary}}
			}
			return config, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: host, Repository: "team/app"})
	if err != nil {
		t.Fatal(err)
	}
	content, desc := uploadsBlob(100 << 10)
	if err := repo.Push(t.Context(), desc, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(store.got, content) || !authorized || certs == 0 {
		t.Errorf("%d bytes arrived; authorized %v, %d certificates", len(store.got), authorized, certs)
	}
	for name, values := range store.headers {
		if name == "Authorization" || name == "Cookie" || strings.Contains(strings.Join(values, ""), canary) {
			t.Errorf("the store was sent %s", name)
		}
	}
	if store.certs != 0 {
		t.Error("the store was shown the registry's client certificate")
	}
	if want := "X-Signature=signed%2Fsecret&a=b&digest="; !strings.HasPrefix(store.query, want) {
		t.Errorf("query %q, want it to begin with %q", store.query, want)
	}
	store.status = http.StatusForbidden
	err = repo.Push(t.Context(), desc, bytes.NewReader(content))
	if !errors.Is(err, registry.ErrDenied) {
		t.Errorf("a store that denies: %v", err)
	}
	for what, text := range map[string]string{"error": err.Error(), "log": log.String()} {
		if strings.Contains(text, "secret") || strings.Contains(text, canary) {
			t.Errorf("%s: %s", what, text)
		}
	}
}

func Test54UploadsWhereTheyMayNotGo(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("something arrived") }))
	defer elsewhere.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("something arrived by HTTPS") }))
	defer secure.Close()
	down := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, elsewhere.URL+"/upload", http.StatusTemporaryRedirect)
	}))
	defer down.Close()
	for name, location := range map[string]string{
		"plain HTTP":        elsewhere.URL + "/upload",
		"plain by detour":   down.URL + "/upload",
		"user there":        strings.Replace(secure.URL, "://", "://me:secret@", 1) + "/upload",
		"metadata service":  "https://169.254.169.254/upload",
		"file":              "file:///etc/passwd",
		"user":              "https://me:secret@example.com/upload",
		"not a URL":         "https://exa mple:x/%zz",
		"nothing":           "",
		"no host":           "https:///upload",
		"mapped metadata":   "https://[::ffff:169.254.169.254]/upload",
		"translated (6to4)": "https://[2002:a9fe:a9fe::]/upload",
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				asked++
				w.Header().Set("Location", location)
				w.WriteHeader(http.StatusAccepted)
			}))
			defer s.Close()
			client, err := registry.NewClient(&registry.Options{Hosts: func(string) (registry.HostConfig, error) {
				return registry.HostConfig{TLS: &registry.TLS{Roots: []*x509.Certificate{s.Certificate()}}}, nil
			}, Retry: registry.Retry{Attempts: 1}})
			if err != nil {
				t.Fatal(err)
			}
			repo, err := client.Repository(registry.Reference{Host: strings.TrimPrefix(s.URL, "https://"), Repository: "team/app"})
			if err != nil {
				t.Fatal(err)
			}
			content, desc := uploadsBlob(10)
			err = repo.Push(t.Context(), desc, bytes.NewReader(content))
			if !errors.Is(err, registry.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error = %v", err)
			}
			if asked != 1 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

func TestUploadsAddresses(t *testing.T) {
	for _, tc := range []struct {
		address          string
		public, anywhere bool // from a registry that is public, or internal
	}{
		{"93.184.216.34:443", true, true},
		{"127.0.0.1:443", false, true},
		{"10.1.2.3:443", false, true},
		{"[fd00::1]:443", false, true},
		{"169.254.169.254:80", false, false},
		{"[::ffff:169.254.169.254]:80", false, false},
	} {
		if err := registry.DialElsewhere(false, tc.address); (err == nil) != tc.public {
			t.Errorf("%s from a public registry: %v", tc.address, err)
		}
		if err := registry.DialElsewhere(true, tc.address); (err == nil) != tc.anywhere {
			t.Errorf("%s from an internal registry: %v", tc.address, err)
		}
	}
}

// A registry that does not know of the TLS before it names itself with http://.
func TestUploadsBehindAProxy(t *testing.T) {
	s := uploadsNew(t, nil)
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	s.host = strings.TrimPrefix(s.URL, "https://")
	s.locate = func(id string) string { return "http://" + s.host + uploadsPath + id }
	options := &registry.Options{
		Credentials: auth.Static(auth.Resource{Host: s.host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")}),
		Hosts: func(host string) (registry.HostConfig, error) {
			if host == "asked.example" {
				return registry.HostConfig{Rewrites: []registry.Rewrite{{Prefix: "stock", Location: s.host + "/team"}}}, nil
			}
			return registry.HostConfig{TLS: &registry.TLS{Roots: []*x509.Certificate{s.Certificate()}}}, nil
		},
	}
	s.before = func(_ *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
		_, password, _ := req.BasicAuth()
		if password != "canary" {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
		return password != "canary"
	}
	client, err := registry.NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	for i, ref := range []registry.Reference{{Host: s.host, Repository: "team/app"}, {Host: "asked.example", Repository: "stock/app"}} {
		repo, err := client.Repository(ref)
		if err != nil {
			t.Fatal(err)
		}
		content, desc := uploadsBlob(10 + i)
		if err := repo.Push(t.Context(), desc, bytes.NewReader(content)); err != nil {
			t.Fatalf("%s: %v", ref, err)
		}
		s.holds(t, desc, content)
	}
}

func TestUploadsLocations(t *testing.T) {
	for name, locate := range map[string]func(s *uploadsServer, id string) string{
		"absolute":         func(s *uploadsServer, id string) string { return s.URL + uploadsPath + id },
		"absolute path":    func(_ *uploadsServer, id string) string { return uploadsPath + id },
		"relative":         func(_ *uploadsServer, id string) string { return id },
		"without a scheme": func(s *uploadsServer, id string) string { return "//" + s.host + uploadsPath + id },
		"with a fragment":  func(_ *uploadsServer, id string) string { return uploadsPath + id + "#part" },
		"from another name": func(s *uploadsServer, id string) string {
			return strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + uploadsPath + id
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := uploadsNew(t, nil)
			s.locate = func(id string) string { return locate(s, id) }
			content, desc := uploadsBlob(10)
			if err := s.repository(t, nil).Push(t.Context(), desc, bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			s.holds(t, desc, content)
		})
	}
}
