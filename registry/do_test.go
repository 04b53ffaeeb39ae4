package registry_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

const canary = "c4n4ry-s3cr3t"

// shelf is a server that is no registry. It writes down what each request
// proved.
type shelf struct {
	*httptest.Server
	proofs []string // the Authorization header of each request
	agents []string
}

func newShelf(t *testing.T, secure bool, answer http.HandlerFunc) *shelf {
	t.Helper()
	s := &shelf{}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.proofs = append(s.proofs, r.Header.Get("Authorization"))
		s.agents = append(s.agents, r.Header.Get("User-Agent"))
		answer(w, r)
	})
	if secure {
		s.Server = httptest.NewTLSServer(handler)
	} else {
		s.Server = httptest.NewServer(handler)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *shelf) host() string {
	return strings.TrimPrefix(strings.TrimPrefix(s.URL, "https://"), "http://")
}

// client trusts all shelves and has a credential for the first.
func shelfClient(t *testing.T, first *shelf, all ...*shelf) *registry.Client {
	t.Helper()
	trusted := map[string]*registry.TLS{}
	for _, s := range append(all, first) {
		if s.Certificate() == nil {
			continue
		}
		file := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		tls, err := registry.LoadTLS(file, "", "")
		if err != nil {
			t.Fatal(err)
		}
		trusted[s.host()] = tls
	}
	client, err := registry.NewClient(&registry.Options{
		Retry:       registry.Retry{Wait: time.Millisecond},
		Credentials: auth.Static(auth.Resource{Host: first.host()}, auth.Credential{Username: "me", Password: auth.NewSecret(canary)}),
		Hosts:       func(host string) (registry.HostConfig, error) { return registry.HostConfig{TLS: trusted[host]}, nil },
		UserAgent:   "sextant/1",
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func request(t *testing.T, address string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Basic bm90OnRoaXM=")
	return req
}

func ask(t *testing.T, client *registry.Client, address string, hint registry.AuthHint) (string, error) {
	t.Helper()
	resp, err := client.Do(t.Context(), request(t, address), hint)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestDoAuthenticates(t *testing.T) {
	locked := func(w http.ResponseWriter, r *http.Request) {
		if user, pass, _ := r.BasicAuth(); user != "me" || pass != canary {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		io.WriteString(w, "charts")
	}
	for _, tc := range []struct {
		name   string
		secure bool
		hint   registry.AuthHint
		sends  int
	}{
		{"on challenge", true, registry.AuthHint{}, 2},
		{"unasked", true, registry.AuthHint{Preemptive: true}, 1},
		{"unasked, for a part of the host", true, registry.AuthHint{Path: "/team/charts/", Preemptive: true}, 1},
		{"a path that is no name", true, registry.AuthHint{Path: "Team/../x\n", Preemptive: true}, 1},
		{"plain HTTP to a loopback host", false, registry.AuthHint{Preemptive: true}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newShelf(t, tc.secure, locked)
			body, err := ask(t, shelfClient(t, s), s.URL+"/charts/index.yaml", tc.hint)
			if err != nil || body != "charts" || len(s.proofs) != tc.sends {
				t.Errorf("%q, %v after %d requests, want %d", body, err, len(s.proofs), tc.sends)
			}
			for _, agent := range s.agents {
				if agent != "sextant/1" {
					t.Errorf("the user agent is %q", agent)
				}
			}
		})
	}
}

// TestDoPlainHTTP: by its name, no such host is a loopback one.
func TestDoPlainHTTP(t *testing.T) {
	s := newShelf(t, false, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/locked" {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	proxy, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, allowed := range []bool{false, true} {
		client, err := registry.NewClient(&registry.Options{
			Retry:       registry.Retry{Wait: time.Millisecond},
			Credentials: auth.Static(auth.Resource{Host: "charts.test"}, auth.Credential{Username: "me", Password: auth.NewSecret(canary)}),
			Hosts: func(string) (registry.HostConfig, error) {
				return registry.HostConfig{PlaintextCredentials: allowed, Proxy: http.ProxyURL(proxy)}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.proofs = nil
		if _, err := ask(t, client, "http://charts.test/open", registry.AuthHint{Preemptive: true}); err != nil {
			t.Fatal(err)
		}
		if sent := s.proofs[0] != ""; sent != allowed {
			t.Errorf("plaintext credentials allowed: %v, sent: %v", allowed, sent)
		}
		s.proofs = nil
		_, err = ask(t, client, "http://charts.test/locked", registry.AuthHint{})
		if sent := strings.Join(s.proofs, "") != ""; sent != allowed || err == nil {
			t.Errorf("plaintext credentials allowed: %v, sent on challenge: %v, error %v", allowed, sent, err)
		}
	}
}

func TestDoRedirects(t *testing.T) {
	elsewhere := newShelf(t, true, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "stored") })
	clear := newShelf(t, false, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "in the clear") })
	s := newShelf(t, true, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, elsewhere.URL+"/x?signature="+canary, http.StatusFound)
		case "/down":
			http.Redirect(w, r, clear.URL, http.StatusFound)
		}
	})
	client := shelfClient(t, s, elsewhere)
	body, err := ask(t, client, s.URL+"/away", registry.AuthHint{Preemptive: true})
	if err != nil || body != "stored" {
		t.Errorf("%q, %v", body, err)
	}
	if s.proofs[0] == "" || elsewhere.proofs[0] != "" {
		t.Errorf("proofs: %q at the host, %q at the one it redirects to", s.proofs, elsewhere.proofs)
	}
	if _, err := ask(t, client, s.URL+"/down", registry.AuthHint{Preemptive: true}); err == nil || len(clear.proofs) != 0 {
		t.Errorf("a redirect from HTTPS to HTTP: %v, %d requests", err, len(clear.proofs))
	}
}

func TestDoErrors(t *testing.T) {
	s := newShelf(t, true, func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.WriteHeader(status)
		if r.URL.Path == "/404/codes" {
			io.WriteString(w, `{"errors":[{"code":"NAME_UNKNOWN","message":"gone"}]}`)
		} else {
			io.WriteString(w, "<html>"+strings.Repeat("x", 1<<20))
		}
	})
	client := shelfClient(t, s)
	for _, tc := range []struct {
		path string
		want error
	}{
		{"/401", registry.ErrUnauthorized},
		{"/403", registry.ErrDenied},
		{"/404", registry.ErrNotFound},
		{"/404/codes", registry.ErrNotFound},
		{"/405", registry.ErrUnsupported},
		{"/410", nil},
		{"/429", registry.ErrRateLimited},
		{"/503", registry.ErrUnavailable},
	} {
		_, err := ask(t, client, s.URL+tc.path+"?token="+canary, registry.AuthHint{})
		e, ok := errors.AsType[*registry.Error](err)
		if !ok || e.Kind != tc.want || !strings.HasPrefix(tc.path, fmt.Sprintf("/%d", e.StatusCode)) {
			t.Errorf("%s: %#v", tc.path, err)
			continue
		}
		if text := err.Error(); !strings.HasPrefix(text, "get "+s.URL+tc.path) || strings.Count(text, s.URL) != 1 || strings.Contains(text, canary) {
			t.Errorf("%s: %s", tc.path, text)
		}
	}
	if resp, err := client.Do(t.Context(), request(t, s.URL+"/304"), registry.AuthHint{}); err != nil || resp.StatusCode != http.StatusNotModified {
		t.Errorf("304: %v, %v", resp, err)
	}
}

func TestDoRefuses(t *testing.T) {
	s := newShelf(t, false, func(http.ResponseWriter, *http.Request) {})
	client := shelfClient(t, s)
	for _, address := range []string{"ftp://" + s.host(), "http:///index.yaml", "http://me:" + canary + "@" + s.host(), "index.yaml"} {
		_, err := ask(t, client, address, registry.AuthHint{})
		if !errors.Is(err, registry.ErrInvalidReference) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if len(s.proofs) != 0 {
		t.Errorf("%d requests were sent", len(s.proofs))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Do(ctx, request(t, s.URL), registry.AuthHint{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	secure := newShelf(t, true, func(http.ResponseWriter, *http.Request) {})
	_, err := ask(t, client, strings.Replace(secure.URL, "https", "http", 1), registry.AuthHint{})
	if !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), "speaks TLS") {
		t.Errorf("plain HTTP to a TLS port: %v", err)
	}
}

// A body that cannot be read again is sent once, whatever the method.
func TestDoSendsABodyOnce(t *testing.T) {
	for _, again := range []bool{false, true} {
		var got []string
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			body, _ := io.ReadAll(req.Body)
			if got = append(got, string(body)); len(got) == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		defer s.Close()
		client, err := registry.NewClient(impatient(nil))
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest(http.MethodGet, s.URL+"/search", strings.NewReader("query"))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"query", "query"}
		if !again {
			req.GetBody, req.ContentLength, want = nil, -1, want[:1]
		}
		resp, err := client.Do(t.Context(), req, registry.AuthHint{})
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != again || !slices.Equal(got, want) {
			t.Errorf("can be read again: %v: %q came, %v", again, got, err)
		}
	}
}
