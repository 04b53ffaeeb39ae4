package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Signers of one family share connections, and neither tokens nor credentials
// nor answers of token servers, not even under way.
func Test41Identities(t *testing.T) {
	w := newWorld(t)
	users := map[string]string{} // by password
	var credentials []Credential
	for i := range 4 {
		name := fmt.Sprintf("user%d", i)
		users[canary+name] = name
		credentials = append(credentials, password(name, canary+name))
	}
	credentials = append(credentials, Credential{})
	var owner sync.Map // of tokens; by text
	w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, secret, _ := r.BasicAuth()
		text := fmt.Sprintf("token-%d", w.tokenN.Add(1))
		owner.Store(text, users[secret])
		w.mu.Lock()
		w.granted[text] = parseScopes(strings.Join(r.URL.Query()["scope"], " "))
		w.mu.Unlock()
		fmt.Fprintf(rw, `{"token":%q,"expires_in":300}`, text)
	})
	serve := w.registry.Config.Handler
	w.registry.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if text, given := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); given {
			if name, _ := owner.Load(text); name != r.Header.Get("X-User") {
				t.Errorf("%q came with the token of %q", r.Header.Get("X-User"), name)
			}
		}
		serve.ServeHTTP(rw, r)
	})
	first := newSigner(t, nil)
	var wg sync.WaitGroup
	for _, c := range credentials {
		s := first
		if !c.IsZero() {
			s = first.With(Static(w.resource(""), c))
		}
		for i := range 40 {
			path := fmt.Sprintf("p%d", i%4)
			req := w.request(t, "GET", path, "")
			req.Header.Set("X-User", c.Username)
			wg.Go(func() {
				resp, err := s.Do(req, w.hint(path, "pull"), send)
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
			})
		}
	}
	wg.Wait()
	if n := int(w.tokenN.Load()); n != 4*len(credentials) {
		t.Errorf("%d tokens, want one for each of %d identities and 4 repositories", n, len(credentials))
	}
}

// What signers hold is each one's own, and no variable of the package.
func Test41NothingIsThePackages(t *testing.T) {
	first := newSigner(t, nil)
	signers := []*Signer{first, newSigner(t, nil), first.With(nil), first.With(NewMemoryStore())}
	for i, a := range signers {
		for _, b := range signers[:i] {
			if a.tokens == b.tokens || a.schemes == b.schemes || a.lookups == b.lookups || a.fetches == b.fetches || a.key == b.key {
				t.Errorf("signer %d shares something", i)
			}
		}
	}
}

// Two registries that name one token server, by one service, get a token each,
// though credential and repository are the same.
func Test41TokensOfTwoRegistries(t *testing.T) {
	w := newWorld(t)
	w.user, w.password = "bob", canary
	second := httptest.NewServer(http.HandlerFunc(w.serveRegistry))
	defer second.Close()
	s := newSigner(t, &SignerOptions{Provider: ProviderFunc(func(context.Context, Resource) (Credential, error) {
		return password("bob", canary), nil
	})})
	for _, registry := range []string{w.registry.URL, second.URL, w.registry.URL, second.URL} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", registry+"/v2/a", nil)
		resp, err := s.Do(req, Hint{Resource: Resource{strings.TrimPrefix(registry, "http://"), "a"}, Scopes: []Scope{RepositoryScope("a", "pull")}}, send)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if _, k := w.counts(); k != 2 || w.arrivals[1] == w.arrivals[3] {
		t.Errorf("%d tokens, the registries got %q", k, w.arrivals)
	}
}

// One signer whose provider has different credentials for different paths asks
// with each for its own token, though the scopes are the same.
func Test41CredentialsOfOneSigner(t *testing.T) {
	w := newWorld(t)
	w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		user, _, _ := r.BasicAuth()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.granted[user] = parseScopes("repository:a:pull repository:b:pull")
		fmt.Fprintf(rw, `{"token":%q}`, user)
	})
	s := newSigner(t, &SignerOptions{Provider: Chain(Static(w.resource("a"), password("alice", canary)), Static(w.resource("b"), password("bob", canary)))})
	both := []Scope{RepositoryScope("a", "pull"), RepositoryScope("b", "pull")}
	w.challenge = func() string { return `Bearer realm="` + w.tokens.URL + `/token",service="reg"` }
	var wg sync.WaitGroup
	ahead := w.tokens.Config.Handler
	var arrived sync.WaitGroup
	arrived.Add(2)
	w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		arrived.Done()
		arrived.Wait() // at the same time, too
		ahead.ServeHTTP(rw, r)
	})
	for _, path := range []string{"a", "b"} {
		req := w.request(t, "GET", path, "").WithContext(tokensSoon(t))
		wg.Go(func() {
			resp, err := s.Do(req, Hint{Resource: w.resource(path), Scopes: both}, send)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	wg.Wait()
	for range 2 {
		for path, user := range map[string]string{"a": "alice", "b": "bob"} {
			resp, err := s.Do(w.request(t, "GET", path, ""), Hint{Resource: w.resource(path), Scopes: both}, send)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := w.arrivals[len(w.arrivals)-1]; got != "Bearer "+user {
				t.Errorf("%s was asked for with %q, want the token of %s", path, got, user)
			}
		}
	}
}

// One registry that names a token server, or a service, for each project gets
// for each the token of its own, though credential and scopes are the same.
func Test41RealmsOfOneRegistry(t *testing.T) {
	for _, tc := range []struct {
		name, challenge string
		asked           func(*http.Request) string
	}{
		{"realm", `Bearer realm="%s/token/%s",service="reg"`, func(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/token/") }},
		{"service", `Bearer realm="%s/token",service="%s"`, func(r *http.Request) string { return r.URL.Query().Get("service") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			var tokens, refused atomic.Int32
			w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				fmt.Fprintf(rw, `{"token":"%s-%d"}`, tc.asked(r), tokens.Add(1))
			})
			w.registry.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				project := strings.TrimPrefix(r.URL.Path, "/v2/")
				if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "+project+"-") {
					refused.Add(1)
					rw.Header().Set("WWW-Authenticate", fmt.Sprintf(tc.challenge, w.tokens.URL, project))
					rw.WriteHeader(http.StatusUnauthorized)
				}
			})
			s := w.signer(t, password("bob", canary))
			both := []Scope{RepositoryScope("a", "pull"), RepositoryScope("b", "pull")}
			for round := range 4 {
				if round == 2 { // what is what is known by now
					tokens.Store(0)
					refused.Store(0)
				}
				for _, path := range []string{"a", "b"} {
					resp, err := s.Do(w.request(t, "GET", path, ""), Hint{Resource: w.resource(path), Scopes: both}, send)
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
				}
			}
			if tokens.Load() != 0 || refused.Load() != 0 {
				t.Errorf("%d tokens were asked for again, and %d refused", tokens.Load(), refused.Load())
			}
		})
	}
}

func tokensSoon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}
