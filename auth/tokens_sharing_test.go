package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// Within one signer too a token belongs to a credential, an origin, a realm
// and a service: what differs in one of them does not share it.
func Test41TokensOfOneSigner(t *testing.T) {
	var c tokenCache
	s := newSigner(t, nil)
	now := time.Now()
	scopes := parseScopes("repository:a:pull")
	key := tokenKey{who: s.fingerprint(password("bob", "x")), at: origin{"https", "r.example"}, realm: "https://t.example", service: "reg"}
	c.add(&token{key: key, scopes: scopes, renew: now.Add(time.Minute)}, now)
	if c.find(key, scopes, now) == nil {
		t.Fatal("the token is not found at all")
	}
	for name, change := range map[string]func(*tokenKey){
		"user":      func(k *tokenKey) { k.who = s.fingerprint(password("eve", "x")) },
		"password":  func(k *tokenKey) { k.who = s.fingerprint(password("bob", "y")) },
		"shifted":   func(k *tokenKey) { k.who = s.fingerprint(password("bobx", "")) },
		"kind":      func(k *tokenKey) { k.who = s.fingerprint(Credential{Username: "bob", IdentityToken: NewSecret("x")}) },
		"anonymous": func(k *tokenKey) { k.who = s.fingerprint(Credential{}) },
		"family":    func(k *tokenKey) { k.who = s.With(nil).fingerprint(password("bob", "x")) },
		"scheme":    func(k *tokenKey) { k.at.scheme = "http" },
		"host":      func(k *tokenKey) { k.at.host = "s.example" },
		"realm":     func(k *tokenKey) { k.realm = "https://u.example" },
		"service":   func(k *tokenKey) { k.service = "other" },
	} {
		other := key
		change(&other)
		if c.find(other, scopes, now) != nil {
			t.Errorf("%s: the token is found", name)
		}
	}
	if text := fmt.Sprintf("%x", key.who); strings.Contains(text, fmt.Sprintf("%x", "bob")) {
		t.Error("the fingerprint shows the user")
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

// A signer holds so many tokens and registries and no more; what goes first is
// what has ended, then what another one makes needless, then what ends soonest.
func TestWhatASignerKeepsIsBounded(t *testing.T) {
	var c tokenCache
	now := time.Now()
	at := func(i int, actions ...string) *token {
		return &token{scopes: []Scope{RepositoryScope(fmt.Sprint("r", i), actions...)}, renew: now.Add(time.Hour + time.Duration(i)*time.Second)}
	}
	for i := range maxTokens + 50 {
		c.add(at(i, "pull"), now)
	}
	if n := len(c.tokens); n != maxTokens || len(c.shelf) != maxTokens+1 {
		t.Errorf("%d tokens on %d shelves", n, len(c.shelf))
	}
	for i, want := range map[int]bool{0: false, 49: false, 50: true, maxTokens + 49: true} {
		if got := c.find(tokenKey{}, at(i, "pull").scopes, now) != nil; got != want {
			t.Errorf("token %d is there: %v", i, got)
		}
	}
	c.add(at(60, "pull", "push"), now)
	if n := len(c.tokens); n != maxTokens {
		t.Errorf("%d tokens after one was replaced", n)
	}
	if got := c.find(tokenKey{}, at(60, "pull").scopes, now); got == nil || len(c.shelf[shelf{prefix: "repository:r60"}]) != 1 {
		t.Error("the needless one is there still")
	}
	c.drop(c.find(tokenKey{}, at(60, "push").scopes, now))
	if c.find(tokenKey{}, at(60, "pull").scopes, now) != nil {
		t.Error("a dropped token is found")
	}
	c.add(at(10000, "pull"), now.Add(2*time.Hour))
	if n := len(c.tokens); n != 1 || len(c.shelf) != 2 {
		t.Errorf("%d tokens on %d shelves, though all but one have ended", n, len(c.shelf))
	}
	var m schemes
	for i := range 3 * maxSchemes {
		m.learn(origin{"https", fmt.Sprint("h", i/2)}, i%2 == 1, &scheme{basic: true, path: "p"})
		if n := len(m.general) + len(m.own); n > maxSchemes+1 {
			t.Fatalf("%d schemes", n)
		}
	}
	if m.find(origin{"https", fmt.Sprint("h", (3*maxSchemes-1)/2)}, "p", false) == nil {
		t.Error("the last scheme is forgotten")
	}
}

// A token with several scopes is found by each of them, and by none.
func TestTokenCacheShelves(t *testing.T) {
	var c tokenCache
	now := time.Now()
	c.add(&token{scopes: parseScopes("repository:a:pull,push aws repository:b:pull"), renew: now.Add(time.Minute)}, now)
	for need, want := range map[string]bool{
		"": true, "repository:a:pull": true, "repository:b:pull": true, "aws": true, "aws repository:a:push": true, "repository:b:pull repository:a:pull": true,
		"repository:b:push": false, "repository:c:pull": false, "repository:a:pull repository:c:pull": false, "repository:a": false, "gcp": false,
	} {
		if got := c.find(tokenKey{}, parseScopes(need), now) != nil; got != want {
			t.Errorf("%q: found %v", need, got)
		}
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

// Who comes with a context that has ended does nothing, and waits for nobody.
func TestFlightsOfTheLate(t *testing.T) {
	var f flights[string, int]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.do(ctx, "key", func(context.Context) (int, error) {
		t.Error("the work was done")
		return 0, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A hundred at once make one token call and one look-up.
func Test42OneCallForMany(t *testing.T) {
	w := newWorld(t)
	w.user, w.password = "bob", canary
	release := make(chan struct{})
	serve := w.tokens.Config.Handler
	w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		<-release
		serve.ServeHTTP(rw, r)
	})
	var lookups atomic.Int32
	s := newSigner(t, &SignerOptions{Provider: ProviderFunc(func(context.Context, Resource) (Credential, error) {
		lookups.Add(1)
		return password("bob", canary), nil
	})})
	var wg sync.WaitGroup
	for range 100 {
		req := w.request(t, "GET", "a", "")
		wg.Go(func() {
			resp, err := s.Do(req, w.hint("a", "pull"), send)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	time.Sleep(20 * time.Millisecond) // most of them wait by now; the count is the same for those who come later
	close(release)
	wg.Wait()
	if _, k := w.counts(); k != 1 || lookups.Load() != 1 {
		t.Errorf("%d token requests and %d look-ups, want 1 and 1", k, lookups.Load())
	}
}

// tokensFake is a registry with a token server in memory, for the fake clock
// of synctest: it takes time to answer, and asks how it is asked.
type tokensFake struct {
	delay time.Duration                     // of each token
	body  func(*http.Request) io.ReadCloser // nil: a token
	calls atomic.Int32
}

const tokensRegistry = "https://r.example/v2/a"

func (f *tokensFake) RoundTrip(req *http.Request) (*http.Response, error) {
	n := f.calls.Add(1)
	select {
	case <-time.After(f.delay):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	var body io.ReadCloser = io.NopCloser(strings.NewReader(fmt.Sprintf(`{"token":"t%d","expires_in":300}`, n)))
	if f.body != nil {
		body = f.body(req)
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body, Request: req}, nil
}

func (f *tokensFake) signer(t *testing.T, c Credential) *Signer {
	return newSigner(t, &SignerOptions{
		Provider:     Static(Resource{Host: "r.example"}, c),
		NewTransport: func(dialControl) http.RoundTripper { return f },
	})
}

// tokensAsk sends one request to the registry in memory, which asks for a token.
func tokensAsk(ctx context.Context, s *Signer) error {
	req, err := http.NewRequestWithContext(ctx, "GET", tokensRegistry, nil)
	if err != nil {
		return err
	}
	resp, err := s.Do(req, Hint{Resource: Resource{"r.example", "a"}, Scopes: []Scope{RepositoryScope("a", "pull")}}, func(r *http.Request) (*http.Response, error) {
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}
		if r.Header.Get("Authorization") == "" {
			resp.StatusCode = 401
			resp.Header.Set("WWW-Authenticate", `Bearer realm="https://t.example/token",service="r"`)
		}
		return resp, nil
	})
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// The one who asks leaves; those who wait get their token all the same, of
// which one more is asked for. A waiter who leaves does so at once, and the
// others go on.
func Test42CallersLeave(t *testing.T) {
	for _, tc := range []struct {
		name  string
		leave map[int]time.Duration // who leaves, and when; 0 asks for the token
		calls int32
	}{
		{"nobody", nil, 1},
		{"the leader", map[int]time.Duration{0: time.Second}, 2},
		{"the leader and the one after it", map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 2: 2 * time.Second, 3: 2 * time.Second}, 2},
		{"waiters", map[int]time.Duration{1: time.Second, 7: 2 * time.Second}, 1},
		{"all but the last", func() map[int]time.Duration {
			m := map[int]time.Duration{}
			for i := range 99 {
				m[i] = time.Second
			}
			return m
		}(), 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &tokensFake{delay: 5 * time.Second}
				s := f.signer(t, password("bob", canary))
				var wg sync.WaitGroup
				for i := range 100 {
					ctx := t.Context()
					when, leaves := tc.leave[i]
					if leaves {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, when)
						defer cancel()
					}
					wg.Go(func() {
						began := time.Now()
						err := tokensAsk(ctx, s)
						switch {
						case leaves && (!errors.Is(err, context.DeadlineExceeded) || time.Since(began) != when):
							t.Errorf("%d left after %s with %v, want %s", i, time.Since(began), err, when)
						case !leaves && err != nil:
							t.Errorf("%d: %v", i, err)
						}
					})
					synctest.Wait() // so that the first is the one who asks
				}
				wg.Wait()
				if n := f.calls.Load(); n < tc.calls || n > tc.calls+3 {
					t.Errorf("%d token calls, want %d", n, tc.calls)
				}
			})
		})
	}
}

// A failure is told to all who waited for it, each with an error of its own.
func Test42FailuresAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &tokensFake{delay: time.Second, body: func(*http.Request) io.ReadCloser {
			return io.NopCloser(strings.NewReader(`{"error":"server_error"}`))
		}}
		s := f.signer(t, password("bob", canary))
		errs := make([]*Error, 20)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				err := tokensAsk(t.Context(), s)
				if !errors.As(err, &errs[i]) {
					t.Errorf("got %v", err)
					return
				}
				errs[i].Hint += "!" // would be a race if it were another's
				errs[i].Causes = append(errs[i].Causes, context.Canceled)
			})
		}
		wg.Wait()
		if n := f.calls.Load(); n != 1 {
			t.Errorf("%d token calls", n)
		}
		if tokensAsk(t.Context(), s); f.calls.Load() != 2 {
			t.Error("the failure was remembered")
		}
	})
}
