package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// One challenge for each registry, one token request for each repository: a
// token for pull,push serves a pull, and never the reverse.
func Test40TokenReuse(t *testing.T) {
	w := newWorld(t)
	w.user, w.password = "bob", canary
	s := w.signer(t, password("bob", canary))
	w.do(t, s, "HEAD", "team/a", "pull", "push")
	if r, k := w.counts(); r != 2 || k != 1 {
		t.Errorf("first request: %d requests and %d tokens, want 2 and 1", r, k)
	}
	w.do(t, s, "PUT", "team/a", "pull", "push") // the hint, not the HEAD's challenge, made the scope
	w.do(t, s, "GET", "team/a", "pull")         // contained in pull,push
	w.do(t, s, "GET", "team/b", "pull")         // another scope goes straight to the token server
	if r, k := w.counts(); r != 5 || k != 2 {
		t.Errorf("then: %d requests and %d tokens, want 5 and 2", r, k)
	}
	w.do(t, s, "PUT", "team/b", "pull", "push") // never the reverse
	if r, k := w.counts(); r != 6 || k != 3 {
		t.Errorf("at the end: %d requests and %d tokens, want 6 and 3", r, k)
	}
}

func TestDoWithoutHintTakesTheChallengesScope(t *testing.T) {
	w := newWorld(t)
	s := newSigner(t, nil)
	w.do(t, s, "GET", "a")
	w.do(t, s, "GET", "a")
	if r, k := w.counts(); r != 3 || k != 1 {
		t.Errorf("%d requests and %d tokens, want 3 and 1", r, k)
	}
}

func TestDoVerdicts(t *testing.T) {
	for _, tc := range []struct {
		name       string
		credential Credential
		challenge  string
		stage      Stage
		want       []string
	}{
		{"wrong password at the registry", password("bob", canary), `Basic realm="x"`, StageRegistry, []string{`that of "bob" from static`, "UNAUTHORIZED", "log out of"}},
		{"wrong password at the token server", password("bob", canary), "", StageToken, []string{`that of "bob" from static`, "answered 401", "log in to"}},
		{"no credential", Credential{}, `Basic realm="x"`, StageRegistry, []string{"there is no credential", "log in to"}},
		{"no challenge to answer", Credential{}, `Negotiate`, StageRegistry, []string{"without a basic or bearer challenge"}},
		{"a token where basic is asked for", Credential{IdentityToken: NewSecret(canary)}, `Basic realm="x"`, StageRegistry, []string{"does not answer the registry's challenge"}},
		{"identity token not accepted", Credential{IdentityToken: NewSecret(canary)}, "", StageToken, []string{"invalid_grant", "400"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			if tc.challenge != "" {
				w.challenge = func() string { return tc.challenge }
			}
			s := newSigner(t, &SignerOptions{Provider: Static(w.resource(""), tc.credential)})
			resp, err := s.Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), send)
			var e *Error
			if resp != nil || !errors.Is(err, ErrUnauthorized) || !errors.As(err, &e) {
				t.Fatalf("got %v, %v", resp, err)
			}
			if e.Stage != tc.stage || e.StatusCode == 0 {
				t.Errorf("stage %q, status %d", e.Stage, e.StatusCode)
			}
			for _, want := range append(tc.want, w.host()) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			noCanary(t, "error", fmt.Sprintf("%v %+v %#v", err, e, e))
		})
	}
}

func TestDoDenied(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusForbidden)
		fmt.Fprint(rw, `{"errors":[{"code":"DENIED"}]}`)
	}))
	defer srv.Close()
	req, _ := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/v2/a", nil)
	_, err := newSigner(t, nil).Do(req, Hint{}, send)
	var e *Error
	if !errors.Is(err, ErrDenied) || !errors.As(err, &e) || len(e.Codes) != 1 || e.Codes[0] != "DENIED" {
		t.Errorf("got %v", err)
	}
}

// A ready token goes to the registry alone, so that its realm does not matter.
func Test52ReadyTokenSkipsTheRealm(t *testing.T) {
	w := newWorld(t)
	w.granted[canary] = parseScopes("repository:a:pull")
	w.challenge = func() string { return `Bearer realm="ftp://u:p@10.0.0.1/"` } // oras-go#1246
	s := w.signer(t, Credential{RegistryToken: NewSecret(canary)})
	w.do(t, s, "GET", "a", "pull")
	if _, k := w.counts(); k != 0 {
		t.Errorf("%d token requests", k)
	}
}

// A registry that rejects whatever it gets is not asked for ever.
func TestDoGivesUp(t *testing.T) {
	w := newWorld(t)
	w.user, w.password = "bob", canary
	w.revoked = func(w *world, rw http.ResponseWriter, _ string) bool {
		rw.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="reg",scope="repository:a:pull"`, w.tokens.URL))
		rw.WriteHeader(401)
		return true
	}
	s := w.signer(t, password("bob", canary))
	_, err := s.Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), send)
	if r, k := w.counts(); !errors.Is(err, ErrUnauthorized) || r != 2 || k != 1 {
		t.Errorf("%v after %d requests and %d tokens, want 2 and 1", err, r, k)
	}
}

func TestDoOtherStatusesComeBackWhole(t *testing.T) {
	long := strings.Repeat("x", 3*maxErrorBody)
	for _, status := range []int{200, 400, 404, 429, 500} {
		srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rw.WriteHeader(status)
			io.WriteString(rw, long)
		}))
		req, _ := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
		resp, err := newSigner(t, nil).Do(req, Hint{}, send)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != long || err != nil || resp.StatusCode != status {
			t.Errorf("status %d: %d bytes, %v", resp.StatusCode, len(body), err)
		}
		srv.Close()
	}
}

// A 400 that is looked into for an expired token is put together again.
func TestDoSigned400ComesBackWhole(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("x", 3*maxErrorBody)
	var bad atomic.Bool
	w.revoked = func(_ *world, rw http.ResponseWriter, _ string) bool {
		if bad.Load() {
			rw.WriteHeader(400)
			io.WriteString(rw, long)
		}
		return bad.Load()
	}
	s := newSigner(t, nil)
	w.do(t, s, "GET", "a", "pull")
	bad.Store(true)
	resp, err := s.Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), send)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != long {
		t.Errorf("%d bytes of %d came back", len(body), len(long))
	}
}

func TestDoLeavesTheRequestAlone(t *testing.T) {
	w := newWorld(t)
	req := w.request(t, "GET", "a", "")
	req.Header.Set("X-Own", "1")
	resp, err := newSigner(t, nil).Do(req, w.hint("a", "pull"), func(r *http.Request) (*http.Response, error) {
		if r == req {
			t.Error("the caller's request was sent itself")
		}
		if r.Header.Get("X-Own") != "1" {
			t.Error("a header is missing")
		}
		return send(r)
	})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if req.Header.Get("Authorization") != "" || len(req.Header) != 1 {
		t.Errorf("headers are now %v", req.Header)
	}
}

// A challenge from where a redirect led is not answered, and what the
// credential is for does not depend on the hint alone.
func Test49ForeignChallenge(t *testing.T) {
	w := newWorld(t)
	w.user, w.password = "bob", canary
	thief := newWorld(t)
	thief.challenge = func() string { return `Basic realm="x"` }
	s := w.signer(t, password("bob", canary))
	follow := func(r *http.Request) (*http.Response, error) {
		u, _ := url.Parse(thief.registry.URL + "/v2/a")
		to := r.Clone(r.Context())
		to.URL, to.Host = u, ""
		to.Header.Del("Authorization")
		return send(to)
	}
	_, err := s.Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), follow)
	if !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), thief.host()) {
		t.Errorf("got %v", err)
	}
	_, err = s.Do(thief.request(t, "GET", "a", ""), w.hint("a", "pull"), send)
	if !errors.Is(err, ErrUnauthorized) {
		t.Errorf("with another host's hint: %v", err)
	}
	for _, header := range thief.arrivals {
		if header != "" {
			t.Errorf("the other host got %q", header)
		}
	}
}

func Test61CredentialsInPlaintext(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		var sent []string
		s := newSigner(t, &SignerOptions{
			Provider:       Static(Resource{Host: "r.example"}, password("bob", canary)),
			AllowPlaintext: func(host string) bool { return allowed && host == "r.example" },
		})
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://r.example:80/v2/", nil)
		resp, err := s.Do(req, Hint{Resource: Resource{Host: "r.example"}}, func(r *http.Request) (*http.Response, error) {
			header := r.Header.Get("Authorization")
			sent = append(sent, header)
			rec := httptest.NewRecorder()
			if header == "" {
				rec.Header().Set("WWW-Authenticate", "Basic")
				rec.WriteHeader(401)
			}
			resp := rec.Result()
			resp.Request = r
			return resp, nil
		})
		switch {
		case allowed && (err != nil || resp.StatusCode != 200 || len(sent) != 2):
			t.Errorf("allowed: %v after %q", err, sent)
		case !allowed && (!errors.Is(err, ErrPlaintextRefused) || len(sent) != 1):
			t.Errorf("not allowed: %v after %q", err, sent)
		}
	}
}

// Another process has logged in since: what the provider says now is tried
// before giving up (terraform-provider-helm#1493).
func TestDoAsksTheProviderAgain(t *testing.T) {
	w := newWorld(t)
	w.user, w.password = "bob", "new"
	w.challenge = func() string { return "Basic" }
	var calls atomic.Int32
	s := newSigner(t, &SignerOptions{Provider: ProviderFunc(func(context.Context, Resource) (Credential, error) {
		if calls.Add(1) == 1 {
			return password("bob", "old"), nil
		}
		return password("bob", "new"), nil
	})})
	w.do(t, s, "GET", "a", "pull")
	w.do(t, s, "GET", "a", "pull")
	if n := calls.Load(); n != 2 {
		t.Errorf("the provider was asked %d times, want 2", n)
	}
}
