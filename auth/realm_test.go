package auth

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"context"
)

// What a challenge may name as its token server, by its address alone.
func Test51Realm(t *testing.T) {
	s := newSigner(t, &SignerOptions{TrustedRealms: []string{"trusted.example", "10.0.0.9:8443"}, Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }})
	public, plain := origin{"https", "r.example"}, origin{"http", "localhost:5000"}
	for _, tc := range []struct {
		name     string
		at       origin
		internal bool
		realm    string
		want     dialRule
		refused  bool
	}{
		{"other host", public, false, "https://auth.example/token", dialPublic, false},
		{"same origin", public, false, "https://r.example:443/token", dialAny, false},
		{"other port", public, false, "https://r.example:8443/token", dialPublic, false},
		{"trusted", public, false, "https://trusted.example:444/token", dialAny, false},
		{"trusted with port", public, false, "https://10.0.0.9:8443/token", dialAny, false},
		{"not that port", public, false, "https://10.0.0.9/token", dialPublic, false},
		{"internal registry", public, true, "https://gitlab.corp/jwt/auth", dialInternal, false},
		{"http under https", public, false, "http://auth.example/token", 0, true},
		{"trusted http under https", public, false, "http://trusted.example/token", 0, true},
		{"http under http", plain, true, "http://localhost:5001/token", dialInternal, false},
		{"ftp", public, false, "ftp://auth.example/", 0, true},
		{"empty", public, false, "", 0, true},
		{"relative", public, false, "/token", 0, true},
		{"no host", public, false, "https:///token", 0, true},
		{"port alone", public, false, "https://:443/token", 0, true},
		{"user information", public, false, "https://u:" + canary + "@auth.example/", 0, true},
		{"fragment", public, false, "https://auth.example/#" + canary, 0, true},
		{"malformed", public, false, "https://auth.example/%zz" + canary, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, rule, err := s.checkRealm(tc.at, tc.internal, tc.realm)
			if errors.Is(err, ErrRealmRefused) != tc.refused || (err == nil && rule != tc.want) {
				t.Errorf("rule %d, %v", rule, err)
			}
			if err != nil {
				noCanary(t, "error", err.Error())
			}
		})
	}
}

// The rule holds where the connection is made: names that lead inside and odd
// spellings do not get around it.
func Test51RealmWhereItIsDialled(t *testing.T) {
	var reached atomic.Int32
	tokens := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		fmt.Fprint(rw, `{"token":"t"}`)
	}))
	defer tokens.Close()
	_, port, _ := net.SplitHostPort(tokens.Listener.Addr().String())
	transport := func(control func(context.Context, string, string, syscall.RawConn) error) http.RoundTripper {
		return &http.Transport{
			DialContext:     (&net.Dialer{ControlContext: control}).DialContext,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		}
	}
	// The registry is spoken to through a fake without a connection, so it
	// counts as one at a public address.
	ask := func(s *Signer, host string) error {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://r.example/v2/", nil)
		resp, err := s.Do(req, Hint{Resource: Resource{Host: "r.example"}}, func(r *http.Request) (*http.Response, error) {
			rec := httptest.NewRecorder()
			if r.Header.Get("Authorization") == "" {
				rec.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="https://%s/token"`, host))
				rec.WriteHeader(401)
			}
			return rec.Result(), nil
		})
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	// Of the last ones it depends on the machine and its resolver whether they
	// lead anywhere.
	perhaps := []string{"[::1]", "2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1"}
	for _, name := range append([]string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"}, perhaps...) {
		err := ask(newSigner(t, &SignerOptions{NewTransport: transport}), name+":"+port)
		var e *Error
		if !errors.As(err, &e) || e.Stage != StageToken || !errors.Is(err, ErrRealmRefused) && !slices.Contains(perhaps, name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the internal server was reached %d times", n)
	}
	if err := ask(newSigner(t, &SignerOptions{NewTransport: transport, TrustedRealms: []string{"127.0.0.1"}}), "127.0.0.1:"+port); err != nil {
		t.Errorf("trusted: %v", err)
	}
	if _, err := NewSigner(&SignerOptions{TrustedRealms: []string{"https://a"}}); err == nil {
		t.Error("a URL was accepted as a trusted realm")
	}
}

// A registry at an internal address may have an internal token server, and still not one at
// a metadata address.
func Test51RealmOfAnInternalRegistry(t *testing.T) {
	w := newWorld(t)
	w.do(t, newSigner(t, nil), "GET", "a", "pull") // both on loopback
	w.challenge = func() string { return `Bearer realm="http://169.254.169.254/latest",service="x"` }
	_, err := newSigner(t, nil).Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), send)
	if !errors.Is(err, ErrRealmRefused) {
		t.Errorf("got %v", err)
	}
}

// Leave to send credentials to a registry in plain HTTP is none for its token
// server.
func Test51RealmInPlaintext(t *testing.T) {
	s := newSigner(t, &SignerOptions{
		Provider:       Static(Resource{Host: "r.example"}, password("bob", canary)),
		AllowPlaintext: func(host string) bool { return host == "r.example" },
	})
	req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://r.example/v2/", nil)
	_, err := s.Do(req, Hint{}, func(*http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		rec.Header().Set("WWW-Authenticate", `Bearer realm="http://auth.example/token"`)
		rec.WriteHeader(401)
		return rec.Result(), nil
	})
	if !errors.Is(err, ErrPlaintextRefused) || !strings.Contains(err.Error(), "auth.example") {
		t.Errorf("got %v", err)
	}
}
