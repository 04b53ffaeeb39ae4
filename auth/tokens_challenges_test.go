package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// tokensTry sends one request and gives its status, or its error.
func tokensTry(t *testing.T, w *world, s *Signer, method, path string, actions ...string) (int, error) {
	t.Helper()
	resp, err := s.Do(w.request(t, method, path, ""), w.hint(path, actions...), send)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// A registry is answered as it asks, whichever of its challenges that is, and
// after that without being asked.
func Test31Challenges(t *testing.T) {
	const basic, bearer = "Basic", "Bearer"
	for _, tc := range []struct {
		name      string
		preludes  []string
		challenge string // %s: the token server
		want      string // the scheme of the answer; empty: it cannot be answered
	}{
		{"basic", nil, `Basic realm="x"`, basic},
		{"bearer", nil, `Bearer realm="%s",service="reg"`, bearer},
		{"both", nil, `Basic realm="x", Bearer realm="%s"`, bearer},
		{"both, the other way around", nil, `Bearer realm="%s", Basic realm="x"`, bearer},
		{"negotiate and basic", nil, `Negotiate, Basic realm="x"`, basic},
		{"negotiate with a token, and basic", nil, `Negotiate oYG2MIGz==, Basic realm="x"`, basic},
		{"upper case", nil, `BEARER REALM="%s",SERVICE="reg"`, bearer},
		{"upper case basic", nil, `BASIC REALM="x"`, basic},
		{"two headers", []string{`Negotiate`}, `Basic realm="x"`, basic},
		{"three headers", []string{`Basic realm="x"`, `Digest realm="y", nonce="z"`}, `bearer realm="%s"`, bearer},
		{"bearer without a realm, and basic", []string{`Bearer`}, `Basic`, basic},
		{"garbage before it", []string{`=,;"`, `"`, ``}, `, ,Basic realm=x`, basic},
		{"garbage", []string{`=,;"`}, `0x00`, ""},
		{"negotiate alone", nil, `Negotiate`, ""},
		{"a realm without a scheme", nil, `realm="%s"`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.user, w.password = "bob", canary
			w.preludes = tc.preludes
			w.challenge = func() string { return strings.ReplaceAll(tc.challenge, "%s", w.tokens.URL) }
			s := w.signer(t, password("bob", canary))
			if tc.want == "" {
				_, err := tokensTry(t, w, s, "GET", "a", "pull")
				if r, k := w.counts(); !errors.Is(err, ErrUnauthorized) || r != 1 || k != 0 || w.arrivals[0] != "" {
					t.Errorf("%v after %d requests and %d tokens", err, r, k)
				}
				return
			}
			w.do(t, s, "GET", "a", "pull")
			w.do(t, s, "GET", "a", "pull")
			r, k := w.counts()
			if r != 3 || (k == 1) != (tc.want == bearer) {
				t.Errorf("%d requests and %d tokens", r, k)
			}
			for _, header := range w.arrivals[1:] {
				if !strings.HasPrefix(header, tc.want+" ") {
					t.Errorf("answered with %q, want %s", header, tc.want)
				}
			}
		})
	}
}

// Without a credential a token is asked for without one, by GET, and only
// after the registry has asked for a token.
func Test32AnonymousToken(t *testing.T) {
	for _, tc := range []struct {
		name   string
		signer func(*testing.T, *world) *Signer
	}{
		{"no provider", func(t *testing.T, _ *world) *Signer { return newSigner(t, nil) }},
		{"no credential", func(t *testing.T, _ *world) *Signer { return newSigner(t, &SignerOptions{Provider: Chain()}) }},
		{"anonymous on purpose", func(t *testing.T, w *world) *Signer { return w.signer(t, Credential{}) }},
		{"with every grant allowed", func(t *testing.T, _ *world) *Signer {
			return newSigner(t, &SignerOptions{PasswordGrant: true, RetryAnonymous: true})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.do(t, tc.signer(t, w), "GET", "public/a", "pull")
			if r, k := w.counts(); r != 2 || k != 1 || w.methods[0] != "GET" {
				t.Errorf("%d requests and %d tokens by %v", r, k, w.methods)
			}
			if got := w.headers[0].Get("Authorization"); got != "" {
				t.Errorf("the token was asked for with %q", got)
			}
			for _, name := range []string{"account", "client_id", "offline_token", "grant_type"} {
				if w.asked[0].Has(name) {
					t.Errorf("the token was asked for with %s", name)
				}
			}
		})
	}
	t.Run("open registry", func(t *testing.T) {
		w := newWorld(t)
		w.registry.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		w.do(t, newSigner(t, nil), "GET", "a", "pull")
		if _, k := w.counts(); k != 0 {
			t.Errorf("%d tokens for a registry that asks for none", k)
		}
	})
}

// A registry may ask in another way than it did, and name another token
// server: the next request finds its way, and those after it know.
func TestChallengesThatChange(t *testing.T) {
	bearer := func(realm string) string { return fmt.Sprintf(`Bearer realm="%s",service="reg"`, realm) }
	for _, tc := range []struct {
		name          string
		before, after func(w, moved *world) string
		dead          bool // the first token server is gone
		want          int  // requests of the first GET after the change
	}{
		{"basic to bearer", func(_, _ *world) string { return "Basic" }, func(_, m *world) string { return bearer(m.tokens.URL) }, false, 2},
		{"bearer to basic", func(w, _ *world) string { return bearer(w.tokens.URL) }, func(_, _ *world) string { return "Basic" }, false, 2},
		{"to another token server", func(w, _ *world) string { return bearer(w.tokens.URL) }, func(_, m *world) string { return bearer(m.tokens.URL) }, false, 2},
		{"to another service", func(w, _ *world) string { return bearer(w.tokens.URL) }, func(w, _ *world) string {
			return fmt.Sprintf(`Bearer realm="%s",service="other"`, w.tokens.URL)
		}, false, 2},
		{"from a dead token server", func(w, _ *world) string { return bearer(w.tokens.URL) }, func(_, m *world) string { return bearer(m.tokens.URL) }, true, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, moved := newWorld(t), newWorld(t)
			moved.user, moved.password, moved.granted = "bob", canary, map[string][]Scope{}
			w.user, w.password = "bob", canary
			changed := false
			serve := w.registry.Config.Handler
			w.registry.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				header := r.Header.Get("Authorization")
				moved.mu.Lock()
				_, known := moved.granted[strings.TrimPrefix(header, "Bearer ")]
				moved.mu.Unlock()
				after := tc.after(w, moved)
				switch {
				case !changed:
					serve.ServeHTTP(rw, r)
				case after == "Basic" && strings.HasPrefix(header, "Basic "),
					after == bearer(moved.tokens.URL) && known,
					strings.Contains(after, "other") && tokensLastService(w) == "other" && strings.HasPrefix(header, "Bearer "):
					w.mu.Lock()
					w.arrivals = append(w.arrivals, header)
					w.mu.Unlock()
				default:
					w.mu.Lock()
					w.arrivals = append(w.arrivals, header)
					w.mu.Unlock()
					rw.Header().Set("WWW-Authenticate", after)
					rw.WriteHeader(401)
				}
			})
			w.challenge = func() string { return tc.before(w, moved) }
			s := w.signer(t, password("bob", canary))
			w.do(t, s, "GET", "a", "pull")
			w.do(t, s, "GET", "early", "pull")
			changed = true
			if tc.dead {
				w.tokens.Close()
				s.tokens = &tokenCache{} // and what it gave has ended
			}
			for i, path := range []string{"a", "a", "early", "new", "new"} {
				before, _ := w.counts()
				w.do(t, s, "GET", path, "pull")
				after, _ := w.counts()
				if want := []int{tc.want, 1, 1, 1, 1}[i]; after-before != want {
					t.Errorf("GET %s (%d): %d requests, want %d", path, i, after-before, want)
				}
			}
		})
	}
}

func tokensLastService(w *world) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[len(w.asked)-1].Get("service")
}

// A registry with a token server for each project is no registry that moved:
// what was learned of the first holds on.
func TestChallengesOfProjects(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	w.registry.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v2/other/") {
			other.serveRegistry(rw, r)
			return
		}
		w.serveRegistry(rw, r)
	})
	requests := func() int {
		a, _ := w.counts()
		b, _ := other.counts()
		return a + b
	}
	s := newSigner(t, nil)
	for i, step := range []struct {
		path string
		want int // requests
	}{{"team/a", 2}, {"other/x", 2}, {"team/a", 1}, {"other/x", 1}, {"team/b", 1}, {"other/y", 2}, {"team/c", 1}} {
		before := requests()
		w.do(t, s, "GET", step.path, "pull")
		if n := requests() - before; n != step.want {
			t.Errorf("step %d, %s: %d requests, want %d", i, step.path, n, step.want)
		}
	}
}

// Where a remembered token server does not work, the registry is asked whether
// it names another by now. One that refuses or is busy does work.
func TestChallengeAfterATokenServerFails(t *testing.T) {
	for _, tc := range []struct {
		status   int // 0: it cannot be reached
		requests int // to the registry
	}{{0, 1}, {404, 1}, {302, 1}, {200, 1}, {401, 0}, {403, 0}, {429, 0}, {500, 0}, {503, 0}} {
		t.Run(fmt.Sprint(tc.status), func(t *testing.T) {
			w := newWorld(t)
			s := newSigner(t, nil)
			w.do(t, s, "GET", "a", "pull")
			calls := 0
			w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				calls++
				rw.WriteHeader(tc.status)
			})
			if tc.status == 0 {
				w.tokens.Close()
				calls++
			}
			before, _ := w.counts()
			_, err := tokensTry(t, w, s, "GET", "b", "pull")
			var e *Error
			if after, _ := w.counts(); !errors.As(err, &e) || e.Stage != StageToken || after-before != tc.requests || calls != 1 {
				t.Errorf("%v after %d requests and %d token calls, want %d and 1", err, after-before, calls, tc.requests)
			}
		})
	}
}

// That a proxy is at an internal address does not make the registry behind it
// internal, nor a token server that the proxy is not asked for.
func TestChallengeThroughAProxy(t *testing.T) {
	w := newWorld(t)
	proxy, err := url.Parse(w.registry.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
	defer transport.CloseIdleConnections()
	req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://r.example/v2/a", nil)
	s := newSigner(t, &SignerOptions{
		NewTransport: newTokenTransport(nil),
		Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Host == "r.example" {
				return proxy, nil
			}
			return nil, nil
		},
	})
	_, err = s.Do(req, Hint{Resource: Resource{Host: "r.example"}}, transport.RoundTrip)
	if r, k := w.counts(); !errors.Is(err, ErrRealmRefused) || r != 1 || k != 0 {
		t.Errorf("%v after %d requests and %d tokens", err, r, k)
	}
}

// A registry that asks for one scope after the other is content with a token
// for all of them; the newest comes first, since some servers read only one.
func TestChallengesForOneScopeAfterTheOther(t *testing.T) {
	w := newWorld(t)
	const first, second = "repository:a:pull", "repository:base:pull"
	w.registry.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		scopes := w.granted[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		w.mu.Unlock()
		for _, need := range []string{first, second} {
			if !containsAll(scopes, parseScopes(need)) {
				rw.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s",scope="%s"`, w.tokens.URL, need))
				rw.WriteHeader(401)
				return
			}
		}
	})
	for _, actions := range [][]string{nil, {"pull"}} {
		s := newSigner(t, nil)
		w.do(t, s, "GET", "a", actions...)
		if got, want := strings.Join(w.asked[len(w.asked)-1]["scope"], " "), second+" "+first; got != want {
			t.Errorf("the last token was asked for %q, want %q", got, want)
		}
	}
}
