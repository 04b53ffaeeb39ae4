package acr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// TestThrottled shows that a throttled endpoint is asked again soon, or that
// the caller is told how long to wait.
func TestThrottled(t *testing.T) {
	for _, tc := range []struct {
		name, what, after string
		status, times     int
		calls             int
		wait              time.Duration // of the error; -1: no error
	}{
		{"Entra ID once", "entra", "0", 429, 1, 2, -1},
		{"Entra ID for long", "entra", "60", 429, 9, 1, time.Minute},
		{"the registry", "exchange", "", 503, 1, 2, -1},
		{"the registry for ever", "exchange", "0", 503, 9, 3, 0},
		{"a metadata service that is updated", "machine", "", 410, 2, 3, -1},
		{"a metadata service that starts", "machine", "", 404, 1, 2, -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAzure(t)
			if tc.what != "machine" {
				a.clientSecret()
			}
			left := tc.times
			a.answers[tc.what] = func(w http.ResponseWriter, r *http.Request) bool {
				if left--; left < 0 {
					return false
				}
				if tc.after != "" {
					w.Header().Set("Retry-After", tc.after)
				}
				w.WriteHeader(tc.status)
				return true
			}
			_, err := a.provider(a.options()).Credential(t.Context(), auth.Resource{Host: registry})
			e, _ := errors.AsType[*auth.Error](err)
			if (err == nil) != (tc.wait < 0) || a.count(tc.what) != tc.calls {
				t.Errorf("%v after %d calls, want %d", err, a.count(tc.what), tc.calls)
			}
			if err != nil && (e == nil || e.RetryAfter != tc.wait || e.StatusCode != tc.status || errors.Is(err, auth.ErrNoCredential)) {
				t.Errorf("error %#v, want a wait of %s", err, tc.wait)
			}
		})
	}
}

// TestMalformed shows that an answer of another shape is an error that shows
// nothing of it.
func TestMalformed(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing": "", "HTML": "<html>canary", "null": "null", "a list": "[]", "no token": `{"error":"canary"}`, "a number": `{"access_token":7,"refresh_token":7}`,
		"a line break": `{"access_token":"canary\r\nX: y","refresh_token":"canary\r\nX: y"}`, "empty": `{"access_token":"","refresh_token":""}`,
		"endless": `{"access_token":"` + strings.Repeat("canary", maxAnswer/6+1) + `"}`,
	} {
		for _, what := range []string{"entra", "exchange", "machine"} {
			t.Run(what+" "+name, func(t *testing.T) {
				a := newAzure(t)
				if what != "machine" {
					a.clientSecret()
				}
				a.answers[what] = func(w http.ResponseWriter, r *http.Request) bool {
					fmt.Fprint(w, answer)
					return true
				}
				c, err := a.provider(a.options()).Credential(t.Context(), auth.Resource{Host: registry})
				if err == nil || errors.Is(err, auth.ErrNoCredential) || !c.IsZero() {
					t.Errorf("%v", err)
				}
				if name == "endless" && !strings.Contains(err.Error(), "more than 131072 bytes") {
					t.Errorf("%v, want the limit", err)
				}
				checkSecrets(t, err)
			})
		}
	}
}

// TestRedirect shows that no token follows a redirect.
func TestRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, what := range []string{"entra", "exchange", "machine", "app"} {
			t.Run(fmt.Sprint(what, status), func(t *testing.T) {
				a := newAzure(t)
				switch what {
				case "app":
					t.Setenv("IDENTITY_ENDPOINT", "http://localhost:41741/msi/token")
					t.Setenv("IDENTITY_HEADER", idHeader)
				case "entra", "exchange":
					a.clientSecret()
				}
				a.answers[what] = func(w http.ResponseWriter, r *http.Request) bool {
					http.Redirect(w, r, "https://evil.example/?canary="+secret, status)
					return true
				}
				_, err := a.provider(a.options()).Credential(t.Context(), auth.Resource{Host: registry})
				if err == nil || !strings.Contains(err.Error(), "redirect") || strings.Contains(strings.Join(a.hosts, " "), "evil") {
					t.Errorf("%v, connections to %q", err, a.hosts)
				}
				checkSecrets(t, err)
			})
		}
	}
}

// TestRefused shows what is told when the registry does not let the identity
// in.
func TestRefused(t *testing.T) {
	a := newAzure(t)
	a.clientSecret()
	_, err := Exchange(t.Context(), registry, auth.NewSecret(sign(a.platform, map[string]any{"exp": 1e12})), a.options())
	e, ok := errors.AsType[*auth.Error](err)
	if !ok || !errors.Is(err, auth.ErrUnauthorized) || e.StatusCode != 401 || e.Resource.Host != registry || !strings.Contains(err.Error(), "UNAUTHORIZED") || !strings.Contains(err.Error(), "AcrPull") {
		t.Errorf("%v", err)
	}
	checkSecrets(t, err)
	c, err := Exchange(t.Context(), registry+":443", auth.NewSecret(a.accessToken()), a.options())
	if err != nil || verify(&a.registryKey.PublicKey, c.IdentityToken.Reveal())["aud"] != registry || c.Expires.IsZero() {
		t.Errorf("%v, %v", c, err)
	}
	for _, token := range []string{"", "two words", "line\nbreak"} {
		if _, err := Exchange(t.Context(), registry, auth.NewSecret(token), a.options()); err == nil {
			t.Errorf("%q is taken for a token", token)
		}
	}
}

func TestContext(t *testing.T) {
	a := newAzure(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	a.answers["machine"] = func(http.ResponseWriter, *http.Request) bool { cancel(cause); return false }
	if _, err := a.provider(a.options()).Credential(ctx, auth.Resource{Host: registry}); !errors.Is(err, cause) {
		t.Errorf("%v, want %v", err, cause)
	}
}

// TestPrinted shows that options and a provider that holds a token can be
// printed.
func TestPrinted(t *testing.T) {
	a := newAzure(t)
	opts := a.options()
	opts.TenantID, opts.ClientID, opts.ClientSecret = tenant, clientID, auth.NewSecret(secret)
	checkSecrets(t, Options{ClientSecret: opts.ClientSecret})
	p := a.provider(opts)
	c, err := p.Credential(t.Context(), auth.Resource{Host: registry})
	if err != nil || !strings.HasPrefix(c.IdentityToken.Reveal(), "eyJ") {
		t.Fatalf("no token of claims, %v", err)
	}
	checkSecrets(t, c)
	checkSecrets(t, p)
}

func TestNewRefuses(t *testing.T) {
	for _, host := range []string{"http://login.example", "login.example", "https://", "https://u:p@login.example", "https://login.example/x", "https://login.example?x", "https://[::1", "https://login.example/%"} {
		if p, err := New(&Options{AuthorityHost: host}); err == nil || p != nil {
			t.Errorf("authority %q: no error", host)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Error(err)
		}
	}
}

// checkSecrets looks for what must not be shown in every way of printing v.
func checkSecrets(t *testing.T, v any) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v %s", v, v, v, v)
	if b, err := json.Marshal(v); err == nil {
		text += string(b)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Error("x", "v", v)
	if text += log.String(); strings.Contains(text, "canary") || strings.Contains(text, "eyJ") {
		t.Errorf("a secret is shown: %s", text)
	}
}
