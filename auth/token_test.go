package auth

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestTokenScopeParameters(t *testing.T) {
	w := newWorld(t)
	w.challenge = func() string {
		return `Bearer realm="` + w.tokens.URL + `/token?own=1",service="reg",scope="repository:a:pull aws"`
	}
	s := newSigner(t, nil)
	mount := Hint{Resource: w.resource("a"), Scopes: []Scope{RepositoryScope("a", "pull", "push"), RepositoryScope("from", "pull")}}
	resp, err := s.Do(w.request(t, "PUT", "a", ""), mount, send)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	want := []string{"repository:a:pull,push", "aws", "repository:from:pull"}
	if got := w.asked[0]["scope"]; !slices.Equal(got, want) {
		t.Errorf("scopes %q, want %q", got, want)
	}
	if w.asked[0].Get("service") != "reg" || w.asked[0].Get("own") != "1" {
		t.Errorf("parameters %v", w.asked[0])
	}
	w.do(t, s, "GET", "b", "pull") // the bare scope is for all, the repository's is not
	if got, want := w.asked[1]["scope"], []string{"repository:b:pull", "aws"}; !slices.Equal(got, want) {
		t.Errorf("scopes %q, want %q", got, want)
	}
}

func TestTokenGrants(t *testing.T) {
	refresh := Credential{Username: "bob", IdentityToken: NewSecret(canary + "-refresh")}
	both := refresh
	both.Password = NewSecret(canary)
	for _, tc := range []struct {
		name       string
		credential Credential
		postStatus int
		methods    string
		err        error
	}{
		{"user and password", password("bob", canary), 0, "GET", nil},
		{"identity token", refresh, 0, "POST", nil},
		{"no OAuth 2, and a password", both, 404, "POST GET", nil},
		{"POST not allowed, and a password", both, 405, "POST GET", nil},
		{"no OAuth 2, no password", refresh, 404, "POST", ErrUnauthorized},
		{"identity token rejected, and a password", both, 401, "POST GET", nil},
		{"identity token malformed, and a password", both, 400, "POST GET", nil},
		{"identity token not allowed, and a password", both, 403, "POST", ErrDenied},
		{"busy, and a password", both, 429, "POST", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.user, w.password, w.refresh, w.postStatus = "bob", canary, canary+"-refresh", tc.postStatus
			resp, err := w.signer(t, tc.credential).Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), send)
			if err == nil {
				resp.Body.Close()
			} else {
				noCanary(t, "error", err.Error())
			}
			if tc.postStatus == 429 && err == nil || tc.postStatus != 429 && !errors.Is(err, tc.err) || strings.Join(w.methods, " ") != tc.methods {
				t.Errorf("got %v after %v", err, w.methods)
			}
		})
	}
}

func TestTokenBadAnswers(t *testing.T) {
	for _, tc := range []struct{ name, body string }{
		{"empty object", `{}`},
		{"HTML", `<html>log in</html>`},
		{"line break in the token", `{"token":"a\r\nX: y"}`},
		{"too large", `{"token":"` + strings.Repeat("a", maxTokenAnswer) + `"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte(tc.body)) })
			_, err := newSigner(t, nil).Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), send)
			var e *Error
			if !errors.As(err, &e) || e.Stage != StageToken || errors.Is(err, ErrUnauthorized) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTokenServerBusy(t *testing.T) {
	w := newWorld(t)
	w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "7")
		rw.WriteHeader(429)
	})
	_, err := newSigner(t, nil).Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), send)
	var e *Error
	if !errors.As(err, &e) || e.StatusCode != 429 || e.RetryAfter != 7*time.Second || errors.Is(err, ErrUnauthorized) {
		t.Errorf("got %#v", err)
	}
}

// A GET for a token follows redirects within its origin, a POST none; nothing
// comes to another host.
func Test50TokenRedirects(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, away := range []bool{true, false} {
			for _, c := range []Credential{password("bob", canary), {IdentityToken: NewSecret(canary)}} {
				w := newWorld(t)
				w.user, w.password, w.refresh = "bob", canary, canary
				var leaked atomic.Bool
				thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Store(true) }))
				t.Cleanup(thief.Close)
				serve := w.tokens.Config.Handler
				w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					switch {
					case r.URL.Path == "/elsewhere":
						serve.ServeHTTP(rw, r)
					case away:
						http.Redirect(rw, r, thief.URL, status)
					default:
						http.Redirect(rw, r, "/elsewhere?"+r.URL.RawQuery, status)
					}
				})
				resp, err := w.signer(t, c).Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), send)
				if err == nil {
					resp.Body.Close()
				}
				if follows := !away && c.IdentityToken.IsZero(); follows != (err == nil) || err != nil && !errors.Is(err, ErrRealmRefused) {
					t.Errorf("%d, away %v, POST %v: %v", status, away, !c.IdentityToken.IsZero(), err)
				}
				if leaked.Load() {
					t.Errorf("%d: the other host was asked", status)
				}
			}
		}
	}
}

// Headers of the request to the registry are none of the token server's.
func Test53HeadersNotToTheTokenServer(t *testing.T) {
	w := newWorld(t)
	req := w.request(t, "GET", "a", "")
	req.Header.Set("X-Tenant-Key", canary)
	req.Header.Set("Cookie", canary)
	s := newSigner(t, &SignerOptions{UserAgent: "portolan-test"})
	resp, err := s.Do(req, w.hint("a", "pull"), send)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for name, values := range w.headers[0] {
		noCanary(t, name, strings.Join(values, ""))
	}
	if got := w.headers[0].Get("User-Agent"); got != "portolan-test" {
		t.Errorf("User-Agent %q", got)
	}
}

func TestTokenOneCallForMany(t *testing.T) {
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

// The one who asks leaves; those who wait get their token all the same, and a
// waiter who leaves is not held back.
func TestTokenCallersLeave(t *testing.T) {
	w := newWorld(t)
	var calls atomic.Int32
	started := make(chan struct{}, 4)
	serve := w.tokens.Config.Handler
	w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			started <- struct{}{}
			<-r.Context().Done()
			return
		}
		serve.ServeHTTP(rw, r)
	})
	s := newSigner(t, nil)
	run := func(ctx context.Context) chan error {
		done := make(chan error, 1)
		req := w.request(t, "GET", "a", "").WithContext(ctx)
		go func() {
			resp, err := s.Do(req, w.hint("a", "pull"), send)
			if err == nil {
				resp.Body.Close()
			}
			done <- err
		}()
		return done
	}
	leader, stopLeader := context.WithCancel(t.Context())
	first := run(leader)
	<-started
	hurried, stopHurried := context.WithCancel(t.Context())
	second, third := run(hurried), run(t.Context())
	time.Sleep(20 * time.Millisecond) // most runs have them wait by now; the outcome is the same where they do not
	stopHurried()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("the hurried one: %v", err)
	}
	stopLeader()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the leader: %v", err)
	}
	if err := <-third; err != nil {
		t.Errorf("the patient one: %v", err)
	}
}
