package gar

import (
	"context"
	"errors"
	"fmt"
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
		{"the token endpoint once", "oauth", "0", 429, 1, 2, -1},
		{"the token endpoint for long", "oauth", "60", 429, 9, 1, time.Minute},
		{"the token endpoint for ever", "oauth", "0", 503, 9, 3, 0},
		{"a metadata server that starts", "machine", "", 503, 2, 3, -1},
		{"a metadata server without names", "email", "", 503, 9, 1, -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGoogle(t)
			if tc.what == "oauth" {
				g.file(g.keyFile())
			}
			left := tc.times
			g.answers[tc.what] = func(w http.ResponseWriter, r *http.Request) bool {
				if left--; left < 0 {
					return false
				}
				if tc.after != "" {
					w.Header().Set("Retry-After", tc.after)
				}
				w.WriteHeader(tc.status)
				return true
			}
			_, err := g.provider(g.options()).Credential(t.Context(), auth.Resource{Host: registry})
			e, _ := errors.AsType[*auth.Error](err)
			if (err == nil) != (tc.wait < 0) || g.count(tc.what) != tc.calls {
				t.Errorf("%v after %d calls, want %d", err, g.count(tc.what), tc.calls)
			}
			if err != nil && (e == nil || e.RetryAfter != tc.wait || e.StatusCode != tc.status) {
				t.Errorf("error %#v, want a wait of %s", err, tc.wait)
			}
		})
	}
}

// prepared has the environment lead to an endpoint.
func prepared(t *testing.T, what string) *google {
	g := newGoogle(t)
	switch what {
	case "oauth":
		g.file(g.keyFile())
	case "sts", "iam":
		g.file(federation(map[string]any{"file": g.write("subject", g.subjectToken("1"))}, map[string]any{"service_account_impersonation_url": iamURL}))
	case "platform":
		g.file(federation(map[string]any{"url": "https://platform.example/t", "headers": map[string]any{"Authorization": "Bearer " + platformKey}}, nil))
	}
	return g
}

// TestMalformed shows that an answer of another shape is an error that shows
// nothing of it.
func TestMalformed(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing": "", "HTML": "<html> canary", "null": " null ", "a list": "[ ]", "no token": `{"error": "canary"}`, "a number": `{"access_token": 7,"accessToken": 7}`,
		"a line break": `{"access_token":"canary\r\nX: y","accessToken":"canary\r\nX: y"}`, "empty": `{"access_token": "","accessToken": ""}`,
		"endless": `{"access_token": "` + strings.Repeat("canary", maxAnswer/6+1) + `"}`,
	} {
		for _, what := range []string{"oauth", "sts", "iam", "machine", "platform"} {
			t.Run(what+" "+name, func(t *testing.T) {
				g := prepared(t, what)
				g.answers[what] = func(w http.ResponseWriter, r *http.Request) bool {
					fmt.Fprint(w, answer)
					return true
				}
				c, err := g.provider(g.options()).Credential(t.Context(), auth.Resource{Host: registry})
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
		for _, what := range []string{"oauth", "sts", "iam", "machine", "platform"} {
			t.Run(fmt.Sprint(what, status), func(t *testing.T) {
				g := prepared(t, what)
				g.answers[what] = func(w http.ResponseWriter, r *http.Request) bool {
					http.Redirect(w, r, "https://evil.example/?canary=x", status)
					return true
				}
				_, err := g.provider(g.options()).Credential(t.Context(), auth.Resource{Host: registry})
				if err == nil || !strings.Contains(err.Error(), "redirect") || strings.Contains(strings.Join(g.hosts, " "), "evil") {
					t.Errorf("%v, connections to %q", err, g.hosts)
				}
				checkSecrets(t, err)
			})
		}
	}
}

func TestContext(t *testing.T) {
	g := newGoogle(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	g.answers["machine"] = func(http.ResponseWriter, *http.Request) bool { cancel(cause); return false }
	if _, err := g.provider(g.options()).Credential(ctx, auth.Resource{Host: registry}); !errors.Is(err, cause) {
		t.Errorf("%v, want %v", err, cause)
	}
}
