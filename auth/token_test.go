package auth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

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
