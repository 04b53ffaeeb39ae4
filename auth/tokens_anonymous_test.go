package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// tokensStale makes a registry with public content that refuses a stale
// credential where it is used, and a signer that has one.
func tokensStale(t *testing.T, w *world, basic bool, opts SignerOptions) *Signer {
	w.user, w.password = "bob", "fresh"
	if basic {
		w.registry.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			w.mu.Lock()
			w.arrivals = append(w.arrivals, r.Header.Get("Authorization"))
			w.mu.Unlock()
			private := strings.Contains(r.URL.Path, "private")
			if _, _, given := r.BasicAuth(); given || private || r.Method == "PUT" {
				rw.Header().Set("WWW-Authenticate", "Basic")
				rw.WriteHeader(401)
			}
		})
	}
	opts.Provider = Static(w.resource(""), password("bob", canary))
	return newSigner(t, &opts)
}

// With RetryAnonymous a pull that a stale credential spoils works without it.
// A warning names the credential's origin. Nothing else is tried so, and the
// next request is made with the credential.
func TestRetryAnonymous(t *testing.T) {
	ghcr := func(w *world) { // refuses by 403 at the registry, as ghcr.io does
		w.user, w.password = "bob", canary
		serve := w.registry.Config.Handler
		w.registry.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			w.mu.Lock()
			bobs := tokensOf(w, "bob", r)
			w.mu.Unlock()
			if !bobs {
				serve.ServeHTTP(rw, r)
				return
			}
			w.mu.Lock()
			w.arrivals = append(w.arrivals, r.Header.Get("Authorization"))
			w.mu.Unlock()
			rw.WriteHeader(403)
		})
	}
	for _, tc := range []struct {
		name   string
		option bool
		world  func(*world)
		method string
		scopes []Scope
		works  bool
	}{
		{"off", false, nil, "GET", []Scope{RepositoryScope("a", "pull")}, false},
		{"refused by the token server", true, nil, "GET", []Scope{RepositoryScope("a", "pull")}, true},
		{"refused by the registry", true, ghcr, "GET", []Scope{RepositoryScope("a", "pull")}, true},
		{"HEAD", true, nil, "HEAD", []Scope{RepositoryScope("a", "pull")}, true},
		{"two repositories", true, nil, "GET", []Scope{RepositoryScope("a", "pull"), RepositoryScope("b", "pull")}, true},
		{"the HEAD of a push", true, nil, "HEAD", []Scope{RepositoryScope("a", "pull", "push")}, false},
		{"an upload", true, nil, "PUT", []Scope{RepositoryScope("a", "pull")}, false},
		{"a deletion", true, nil, "DELETE", []Scope{RepositoryScope("a", "delete")}, false},
		{"the catalog", true, nil, "GET", parseScopes("registry:catalog:*"), false},
		{"nobody knows what", true, nil, "GET", nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			var log strings.Builder
			s := tokensStale(t, w, false, SignerOptions{RetryAnonymous: tc.option, Logger: tokensLogger(&log)})
			if tc.world != nil {
				tc.world(w)
			}
			for range 2 { // what was learned of the registry changes nothing
				log.Reset()
				before := len(w.headers)
				resp, err := s.Do(w.request(t, tc.method, "a", ""), Hint{Resource: w.resource("a"), Scopes: tc.scopes}, send)
				if err == nil {
					resp.Body.Close()
				}
				if (err == nil) != tc.works {
					t.Errorf("got %v", err)
				}
				if err != nil && (!errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), `that of "bob" from static`)) {
					t.Errorf("got %v", err)
				}
				if warned := strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), "static ("+w.host()+")"); warned != tc.works {
					t.Errorf("the log is %q", &log)
				}
				noCanary(t, "log", log.String())
				if tc.world == nil && (len(w.headers) == before || w.headers[before].Get("Authorization") == "") {
					t.Error("the credential was not tried")
				}
			}
		})
	}
	t.Run("basic", func(t *testing.T) {
		w := newWorld(t)
		s := tokensStale(t, w, true, SignerOptions{RetryAnonymous: true})
		hint := func(path string) Hint { h := w.hint(path, "pull"); h.Preemptive = true; return h }
		resp, err := s.Do(w.request(t, "GET", "a", ""), hint("a"), send)
		if err != nil || w.arrivals[len(w.arrivals)-1] != "" {
			t.Fatalf("got %v after %q", err, w.arrivals)
		}
		resp.Body.Close()
		if _, err := s.Do(w.request(t, "GET", "private", ""), hint("private"), send); !errors.Is(err, ErrUnauthorized) ||
			!strings.Contains(err.Error(), "without it the request fails as well") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("only success counts", func(t *testing.T) {
		w := newWorld(t)
		w.registry.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "" {
				rw.WriteHeader(403)
				return
			}
			rw.WriteHeader(404)
		})
		s := tokensStale(t, w, false, SignerOptions{RetryAnonymous: true})
		hint := w.hint("a", "pull")
		hint.Preemptive = true
		if _, err := s.Do(w.request(t, "GET", "a", ""), hint, send); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "without it the answer is 404") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("without a credential there is nothing to leave out", func(t *testing.T) {
		w := newWorld(t)
		w.challenge = func() string { return "Basic" }
		if _, err := tokensTry(t, w, newSigner(t, &SignerOptions{RetryAnonymous: true}), "GET", "a", "pull"); !errors.Is(err, ErrUnauthorized) {
			t.Errorf("got %v", err)
		}
		if r, _ := w.counts(); r != 1 {
			t.Errorf("%d requests", r)
		}
	})
	t.Run("the credential gets better", func(t *testing.T) {
		w := newWorld(t)
		var good atomic.Bool
		w.user, w.password = "bob", "fresh"
		s := newSigner(t, &SignerOptions{RetryAnonymous: true, Provider: ProviderFunc(func(context.Context, Resource) (Credential, error) {
			if good.Load() {
				return password("bob", "fresh"), nil
			}
			return password("bob", "stale"), nil
		})})
		w.do(t, s, "GET", "a", "pull")
		good.Store(true)
		w.do(t, s, "GET", "b", "pull")
		if user, _, _ := (&http.Request{Header: w.headers[len(w.headers)-1]}).BasicAuth(); user != "bob" {
			t.Error("the last token is not bob's")
		}
		w.do(t, s, "PUT", "a", "pull", "push")
	})
	t.Run("how it was answered without a credential is not remembered", func(t *testing.T) {
		w := newWorld(t)
		w.user, w.password = "bob", "fresh"
		w.registry.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "Basic "+base64.StdEncoding.EncodeToString([]byte("bob:"+canary)) {
				rw.WriteHeader(403)
				return
			}
			w.serveRegistry(rw, r)
		})
		s := tokensStale(t, w, false, SignerOptions{RetryAnonymous: true})
		hint := w.hint("a", "pull")
		hint.Preemptive = true
		for range 2 {
			resp, err := s.Do(w.request(t, "GET", "a", ""), hint, send)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		if s.schemes.find(originOf(w.request(t, "GET", "a", "").URL), "a", false) != nil {
			t.Error("the challenge to nobody is kept for somebody")
		}
		if _, k := w.counts(); k != 1 {
			t.Errorf("%d anonymous tokens, want one that is kept", k)
		}
	})
	t.Run("a redirect's refusal is another's", func(t *testing.T) {
		w, other := newWorld(t), newWorld(t)
		s := tokensStale(t, w, false, SignerOptions{RetryAnonymous: true})
		w.user, w.password = "bob", canary
		sends := 0
		_, err := s.Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), func(r *http.Request) (*http.Response, error) {
			sends++
			if r.Header.Get("Authorization") == "" {
				return send(r)
			}
			return send(other.request(t, "GET", "a", ""))
		})
		if !errors.Is(err, ErrUnauthorized) || sends != 2 {
			t.Errorf("%v after %d sends", err, sends)
		}
	})
}

// A login asks whether the credential is good, not whether one is needed.
func TestRetryAnonymousIsNoLogin(t *testing.T) {
	for _, good := range []bool{true, false} {
		w := newWorld(t)
		w.user, w.password = "bob", "fresh"
		c := password("bob", "stale")
		if good {
			c = password("bob", "fresh")
		}
		_, err := Login(t.Context(), NewMemoryStore(), w.resource("team/app"), c, &LoginOptions{PlainHTTP: true, Signer: SignerOptions{RetryAnonymous: true}})
		if (err == nil) != good || err != nil && !errors.Is(err, ErrUnauthorized) {
			t.Errorf("good %v: %v", good, err)
		}
	}
}

// tokensOf tells whether a request came with a token of user; w is locked.
func tokensOf(w *world, user string, r *http.Request) bool {
	var n int
	if _, err := fmt.Sscanf(r.Header.Get("Authorization"), "Bearer token-%d-", &n); err != nil || n > len(w.headers) {
		return false
	}
	name, _, _ := (&http.Request{Header: w.headers[n-1]}).BasicAuth()
	return name == user
}

func tokensLogger(to *strings.Builder) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
