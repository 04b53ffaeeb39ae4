package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tokensClock is a clock that a test moves.
type tokensClock struct{ at atomic.Int64 } // since start

func tokensSetClock(s *Signer) *tokensClock {
	c, start := &tokensClock{}, time.Now()
	s.now = func() time.Time { return start.Add(time.Duration(c.at.Load())) }
	return c
}

func (c *tokensClock) set(d time.Duration) { c.at.Store(int64(d)) }

// A token lives as long as its answer says, counted from before it was asked
// for on this machine's clock, and for a minute where the answer says less or
// nothing.
func Test37ExpiresIn(t *testing.T) {
	day := func(offset time.Duration) string { return time.Now().Add(offset).UTC().Format(time.RFC3339) }
	for _, tc := range []struct {
		name   string
		answer map[string]any
		life   time.Duration
	}{
		{"five minutes", nil, 5 * time.Minute},
		{"absent", map[string]any{"expires_in": nil}, time.Minute},
		{"0", map[string]any{"expires_in": 0}, time.Minute},
		{"negative", map[string]any{"expires_in": -300}, time.Minute},
		{"30", map[string]any{"expires_in": 30}, time.Minute},
		{"61", map[string]any{"expires_in": 61}, 61 * time.Second},
		{"a fraction", map[string]any{"expires_in": 100.5}, 100500 * time.Millisecond},
		{"as a string", map[string]any{"expires_in": "300"}, 5 * time.Minute},
		{"no number", map[string]any{"expires_in": "soon"}, time.Minute},
		{"NaN", map[string]any{"expires_in": "NaN"}, time.Minute},
		{"huge", map[string]any{"expires_in": 1 << 62}, 24 * time.Hour},
		{"beyond all measure", map[string]any{"expires_in": 1e300}, 24 * time.Hour},
		{"infinite", map[string]any{"expires_in": "Inf"}, 24 * time.Hour},
		{"issued tomorrow", map[string]any{"issued_at": day(24 * time.Hour)}, 5 * time.Minute},
		{"issued yesterday", map[string]any{"issued_at": day(-24 * time.Hour)}, 5 * time.Minute},
		{"issued at no time", map[string]any{"issued_at": "noon"}, 5 * time.Minute},
		{"access_token", map[string]any{"token": nil, "access_token": "TEXT"}, 5 * time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.answer = tc.answer
			s := newSigner(t, nil)
			clock := tokensSetClock(s)
			renew := tc.life - min(30*time.Second, tc.life/5)
			for i, at := range []time.Duration{0, renew - time.Second, renew + time.Second} {
				clock.set(at)
				w.do(t, s, "GET", "a", "pull")
				if _, k := w.counts(); k != []int{1, 1, 2}[i] {
					t.Errorf("after %s: %d tokens", at, k)
				}
			}
		})
	}
	t.Run("the way does not count", func(t *testing.T) {
		w := newWorld(t)
		s := newSigner(t, nil)
		clock := tokensSetClock(s)
		serve := w.tokens.Config.Handler
		w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			clock.set(10 * time.Second) // what the answer takes
			serve.ServeHTTP(rw, r)
		})
		w.do(t, s, "GET", "a", "pull")
		clock.set(271 * time.Second)
		w.do(t, s, "GET", "a", "pull")
		if _, k := w.counts(); k != 2 {
			t.Errorf("%d tokens: the life began when the answer came", k)
		}
	})
}

// A token is renewed before it ends: a fifth of its life, at most half a
// minute. No request is sent with one that has ended, and many that find it
// ending renew it once.
func Test38RenewalBeforeExpiry(t *testing.T) {
	for _, tc := range []struct {
		life, renew time.Duration
	}{
		{60 * time.Second, 48 * time.Second},
		{100 * time.Second, 80 * time.Second},
		{150 * time.Second, 120 * time.Second},
		{10 * time.Minute, 9*time.Minute + 30*time.Second},
		{12 * time.Hour, 12*time.Hour - 30*time.Second},
	} {
		t.Run(tc.life.String(), func(t *testing.T) {
			w := newWorld(t)
			w.answer = map[string]any{"expires_in": tc.life.Seconds()}
			s := newSigner(t, nil)
			clock := tokensSetClock(s)
			var rejected atomic.Int32
			born := map[string]time.Time{}
			w.revoked = func(_ *world, rw http.ResponseWriter, text string) bool {
				w.mu.Lock()
				defer w.mu.Unlock()
				if born[text].IsZero() {
					born[text] = s.now()
				}
				if s.now().Sub(born[text]) < tc.life {
					return false
				}
				rejected.Add(1)
				rw.WriteHeader(401)
				return true
			}
			w.do(t, s, "GET", "a", "pull")
			clock.set(tc.renew - 1)
			w.do(t, s, "GET", "a", "pull")
			if _, k := w.counts(); k != 1 {
				t.Errorf("%d tokens before it is time", k)
			}
			clock.set(tc.renew)
			var wg sync.WaitGroup
			for range 20 {
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
			wg.Wait()
			if r, k := w.counts(); k != 2 || r != 23 || rejected.Load() != 0 {
				t.Errorf("%d tokens, %d requests, %d rejected", k, r, rejected.Load())
			}
		})
	}
}

// What has ended is answered by 401, by 400 or by 403, and renewed once; what
// looks alike and is something else is not.
func Test39ExpiredTokens(t *testing.T) {
	const expired = `{"errors":[{"code":"DENIED","message":"Your authorization token has expired. Reauthenticate and try again."}]}`
	for _, tc := range []struct {
		name, method string
		status       int
		header, body string
		held         time.Duration // how long the token has been held
		want         string        // "renewed", "error", "handed out"
	}{
		{"401 with a challenge", "GET", 401, `error="invalid_token"`, `{"errors":[{"code":"UNAUTHORIZED"}]}`, 0, "renewed"},
		{"401 without a challenge", "GET", 401, "", "", 0, "renewed"},
		{"400 of public ECR", "GET", 400, "", expired, 0, "renewed"},
		{"403 of ECR", "GET", 403, "", expired, 0, "renewed"},
		{"403 with invalid_token", "GET", 403, `error="invalid_token"`, "", 0, "renewed"},
		{"403 that denies", "GET", 403, "", `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`, time.Minute * 3, "error"},
		{"403 with insufficient_scope", "GET", 403, `error="insufficient_scope"`, "", time.Minute * 3, "error"},
		{"400 of a bad manifest", "PUT", 400, "", `{"errors":[{"code":"MANIFEST_INVALID"}]}`, time.Minute * 3, "handed out"},
		{"401 to a HEAD", "HEAD", 401, "", "", 0, "renewed"},
		{"403 to a HEAD, after a while", "HEAD", 403, "", "", time.Minute * 3, "renewed"},
		{"400 to a HEAD, after a while", "HEAD", 400, "", "", time.Minute * 3, "renewed"},
		{"403 to a HEAD, at once", "HEAD", 403, "", "", 0, "error"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			s := newSigner(t, nil)
			clock := tokensSetClock(s)
			old, refused := sync.Map{}, atomic.Int32{}
			w.revoked = func(w *world, rw http.ResponseWriter, text string) bool {
				if _, gone := old.Load(text); !gone {
					return false
				}
				refused.Add(1)
				if tc.header != "" {
					rw.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="reg",scope="repository:a:pull",%s`, w.tokens.URL, tc.header))
				}
				rw.WriteHeader(tc.status)
				fmt.Fprint(rw, tc.body)
				return true
			}
			w.do(t, s, tc.method, "a", "pull", "push")
			for text := range w.granted {
				old.Store(text, true)
			}
			clock.set(tc.held)
			status, err := tokensTry(t, w, s, tc.method, "a", "pull", "push")
			r, k := w.counts()
			got := fmt.Sprintf("%d %v after %d requests, %d tokens", status, err, r, k)
			switch tc.want {
			case "renewed":
				if status != 200 || r != 4 || k != 2 || refused.Load() != 1 {
					t.Error(got)
				}
			case "error":
				if !errors.Is(err, ErrDenied) || r != 3 || k != 1 {
					t.Error(got)
				}
			case "handed out":
				if status != tc.status || r != 3 || k != 1 {
					t.Error(got)
				}
			}
		})
	}
	t.Run("renewed once", func(t *testing.T) {
		for _, status := range []int{400, 401, 403} {
			w := newWorld(t)
			s := newSigner(t, nil)
			var broken atomic.Bool
			w.revoked = func(w *world, rw http.ResponseWriter, _ string) bool {
				if broken.Load() {
					rw.WriteHeader(status)
					fmt.Fprint(rw, expired)
				}
				return broken.Load()
			}
			w.do(t, s, "GET", "a", "pull")
			broken.Store(true)
			got, err := tokensTry(t, w, s, "GET", "a", "pull")
			if r, k := w.counts(); r != 4 || k != 2 || (status == 400) != (err == nil && got == 400) {
				t.Errorf("%d: %d %v after %d requests and %d tokens, want 4 and 2", status, got, err, r, k)
			}
		}
	})
}

// Basic credentials that the registry says have expired (argo-cd#12554) are
// looked up again, once.
func Test39ExpiredPasswords(t *testing.T) {
	for _, tc := range []struct {
		name, method string
		status       int
		body         string
		held         time.Duration
		renewed      bool
	}{
		{"401", "GET", 401, "", 0, true},
		{"403 of ECR", "GET", 403, `Your Authorization Token has expired. Please run 'aws ecr get-login'`, 0, true},
		{"400 of public ECR", "GET", 400, `{"errors":[{"code":"DENIED","message":"Your authorization token has expired."}]}`, 0, true},
		{"403 to a HEAD, after a while", "HEAD", 403, "", 2 * time.Minute, true},
		{"403 to a HEAD, at once", "HEAD", 403, "", 0, false},
		{"403 that denies", "GET", 403, `{"errors":[{"code":"DENIED"}]}`, 2 * time.Minute, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.user, w.challenge = "AWS", func() string { return `Basic realm="ecr"` }
			var current atomic.Value
			current.Store("first")
			w.password = "first"
			var calls, refused atomic.Int32
			s := newSigner(t, &SignerOptions{Provider: ProviderFunc(func(context.Context, Resource) (Credential, error) {
				calls.Add(1)
				return password("AWS", current.Load().(string)), nil
			})})
			clock := tokensSetClock(s)
			w.do(t, s, tc.method, "a", "pull")
			old := w.arrivals[1]
			w.password = "second"
			current.Store("second")
			clock.set(tc.held)
			serve := w.registry.Config.Handler
			w.registry.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != old {
					serve.ServeHTTP(rw, r)
					return
				}
				refused.Add(1)
				rw.WriteHeader(tc.status)
				fmt.Fprint(rw, tc.body)
			})
			_, err := tokensTry(t, w, s, tc.method, "a", "pull")
			want := int32(1)
			if tc.renewed {
				want = 2
			}
			if (err == nil) != tc.renewed || calls.Load() != want || refused.Load() != 1 {
				t.Errorf("%v after %d look-ups and %d refusals", err, calls.Load(), refused.Load())
			}
		})
	}
}

// A credential that a token server refuses has been replaced since, by a login
// in another process or a rotated secret: nothing fails for it.
func Test39RefusedCredentials(t *testing.T) {
	identity := func(text string) Credential { return Credential{IdentityToken: NewSecret(text)} }
	for _, tc := range []struct {
		name       string
		now, later Credential // of the provider; later is what the server takes
		works      bool
	}{
		{"password", password("bob", "old"), password("bob", "new"), true},
		{"identity token", identity("old"), identity("new"), true},
		{"password for identity token", identity("old"), password("bob", "new"), true},
		{"ready token for identity token", identity("old"), Credential{RegistryToken: NewSecret("ready")}, true},
		{"nothing new", password("bob", "old"), password("bob", "old"), false},
		{"logged out", password("bob", "old"), Credential{}, true}, // by an anonymous token
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.user, w.password, w.refresh = "bob", "old", "old"
			w.granted["ready"] = parseScopes("repository:a:pull,push")
			var changed atomic.Bool
			var calls atomic.Int32
			s := newSigner(t, &SignerOptions{Provider: ProviderFunc(func(context.Context, Resource) (Credential, error) {
				calls.Add(1)
				if changed.Load() {
					return tc.later, nil
				}
				return tc.now, nil
			})})
			w.do(t, s, "GET", "a", "pull")
			w.password, w.refresh = "new", "new"
			changed.Store(true)
			_, err := tokensTry(t, w, s, "GET", "a", "pull") // its token lives on
			if err != nil || calls.Load() != 1 {
				t.Errorf("with a live token: %v after %d look-ups", err, calls.Load())
			}
			for i := range 3 {
				if _, err = tokensTry(t, w, s, "PUT", "a", "pull", "push"); (err == nil) != tc.works {
					t.Errorf("with a new token (%d): %v", i, err)
				}
			}
			if n := calls.Load(); tc.works && n != 2 {
				t.Errorf("%d look-ups, want 2", n)
			}
		})
	}
}
