package auth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Test30PluginAsked: what the plugin reads, and that it is not run at all for
// what no pattern of matchImages covers.
func Test30PluginAsked(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	writeFile(t, token, "first-"+canary+"\n")
	x := newExecPlugin(t, PluginOptions{
		MatchImages: []string{"*.example.com/team", "docker.io"}, ServiceAccountTokenFile: token,
		ServiceAccountAnnotations: map[string]string{"example.com/role": "reader"},
	}).answers(`"cacheDuration":"1h","cacheKeyType":"Global",`, `{"*.example.com":{"username":"u#","password":"1"},"docker.io":{"username":"u#","password":"1"}}`)
	for _, address := range []string{"r.example.com", "r.example.com/teams", "example.com/team", "r.example.com:5000/team", "r.example.com.evil.io/team"} {
		if got := x.user(address); got != ErrNoCredential.Error() {
			t.Errorf("%s: %s", address, got)
		}
	}
	if n := x.runs(); n != 0 {
		t.Fatalf("the plugin ran %d times for what it is not for", n)
	}
	for _, s := range []struct{ token, address, want string }{
		{"first-" + canary, "r.example.com/team/app", "u1"},
		{"first-" + canary, "registry-1.docker.io/a", "u1"},
		{"second", "registry-1.docker.io/a", "u2"}, // what another identity was given does not count
		{"first-" + canary, "r.example.com/team/app", "u1"},
	} {
		writeFile(t, token, " "+s.token+"\n")
		if got := x.user(s.address); got != s.want {
			t.Errorf("%s with %s: %s, want %s", s.address, s.token, got, s.want)
		}
	}
	const request = `{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderRequest","image":%q,"serviceAccountToken":%q,"serviceAccountAnnotations":{"example.com/role":"reader"}}` + "\n"
	want := fmt.Sprintf(request, "r.example.com/team/app", "first-"+canary) + fmt.Sprintf(request, "docker.io/a", "second")
	if diff := cmp.Diff(want, read(t, filepath.Join(x.dir, "log"))); diff != "" {
		t.Error(diff)
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Credential(t.Context(), Resource{"r.example.com", "team"}); !errors.Is(err, ErrConfigInvalid) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the token: %v", err)
	}
	x = newExecPlugin(t, PluginOptions{}).answers(`"cacheKeyType":"Global",`, execAnyone)
	x.user("r.example.com/a")
	if got := read(t, filepath.Join(x.dir, "log")); strings.Contains(got, "serviceAccount") {
		t.Errorf("no token is configured, and the plugin got %s", got)
	}
}

// Test30PluginShared: one run serves all who want the same, whether its answer
// is kept or not, and one process runs at a time.
func Test30PluginShared(t *testing.T) {
	for _, tc := range []struct {
		name, more   string
		images, want int
	}{
		{"for the image", `"cacheDuration":"1h","cacheKeyType":"Image",`, 4, 4},
		{"for all", `"cacheDuration":"1h","cacheKeyType":"Global",`, 4, 1},
		{"not kept", `"cacheDuration":"0s","cacheKeyType":"Image",`, 1, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := newExecPlugin(t, PluginOptions{Env: Environ{"EXEC_PAUSE=300ms"}}).answers(tc.more, execAnyone)
			var wg sync.WaitGroup
			for i := range 32 {
				wg.Go(func() {
					c, err := x.Credential(t.Context(), Resource{"r.example.com", fmt.Sprint("x", i%tc.images)})
					if err != nil || c.Expires.IsZero() != (tc.name == "not kept") {
						t.Errorf("expires %s, %v", c.Expires, err)
					}
				})
			}
			wg.Wait()
			if n := x.runs(); n != tc.want {
				t.Errorf("the plugin ran %d times, want %d", n, tc.want)
			}
		})
	}
}

// Test30PluginGivenUp: a caller who gives up does not take the others along.
func Test30PluginGivenUp(t *testing.T) {
	x := newExecPlugin(t, PluginOptions{Env: Environ{"EXEC_PAUSE=200ms", "EXEC_KILLED=1"}}).answers(`"cacheDuration":"1h","cacheKeyType":"Image",`, execAnyone)
	r := Resource{"r.example.com", "x"}
	impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if i%2 == 0 {
				if _, err := x.Credential(impatient, r); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("impatient: %v", err)
				}
			} else if _, err := x.Credential(t.Context(), r); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// Test30PluginRenews: what a registry has rejected does not count any more, for
// nobody; what has been renewed meanwhile does.
func Test30PluginRenews(t *testing.T) {
	x := newExecPlugin(t, PluginOptions{}).answers(`"cacheDuration":"1h","cacheKeyType":"Image",`, execAnyone)
	r := Resource{"r.example.com", "x"}
	first, err := x.Credential(t.Context(), r)
	if err != nil || !first.Expires.Equal(x.now().Add(time.Hour)) {
		t.Fatalf("expires %s, %v", first.Expires, err)
	}
	x.answers(`"cacheDuration":"1h","cacheKeyType":"Registry",`, execAnyone)
	for range 2 {
		if c, err := x.Renew(t.Context(), r, first); err != nil || c.Username != "u2" {
			t.Errorf("renewed: %q, %v", c.Username, err)
		}
	}
	if got := x.user("r.example.com/x"); got != "u2" {
		t.Errorf("afterwards: %s", got)
	}
	if n := x.runs(); n != 2 {
		t.Errorf("the plugin ran %d times", n)
	}
}

// Test30PluginFailures: nothing of a failure is kept, and no secret is shown.
func Test30PluginFailures(t *testing.T) {
	const head = `{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderResponse",`
	for _, tc := range []struct{ name, answer, env, want string }{
		{"fails", "no such role", "EXEC_FAIL=1", "standard error is in the log at debug level: exit status 1: no such role"},
		{"fails after its answer", head + `"cacheKeyType":"Global","auth":` + execAnyone + `}`, "EXEC_FAIL=1", "withheld"},
		{"hangs", "", "EXEC_PAUSE=1m", "no answer within"},
		{"no JSON", canary, "", "no JSON object"},
		{"something follows", head + `"cacheKeyType":"Global","auth":` + execAnyone + `} ` + canary, "", "no JSON object"},
		{"another version", strings.Replace(head, "/v1", "/v2", 1) + `"cacheKeyType":"Global","auth":` + execAnyone + `}`, "", "not a CredentialProviderResponse"},
		{"another kind", strings.Replace(head, "Response", "Request", 1) + `"cacheKeyType":"Global","auth":` + execAnyone + `}`, "", "not a CredentialProviderResponse"},
		{"no key type", head + `"auth":` + execAnyone + `}`, "", "cacheKeyType"},
		{"unknown key type", head + `"cacheKeyType":"` + canary + `","auth":` + execAnyone + `}`, "", "cacheKeyType"},
		{"bad duration", head + `"cacheKeyType":"Image","cacheDuration":"` + canary + `","auth":` + execAnyone + `}`, "", "cacheDuration"},
		{"negative duration", head + `"cacheKeyType":"Image","cacheDuration":"-1h","auth":` + execAnyone + `}`, "", "cacheDuration"},
		{"a number as duration", head + `"cacheKeyType":"Image","cacheDuration":3600,"auth":` + execAnyone + `}`, "", "no JSON object"},
		{"an unusable entry", head + `"cacheKeyType":"Image","auth":{"*.example.com":{"username":"","password":"` + canary + `"}}}`, "", "needs a user name"},
		{"too much", head + strings.Repeat(" ", 2<<20) + `"cacheKeyType":"Image","auth":` + execAnyone + `}`, "", "wrote more than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			opts := PluginOptions{DefaultCacheDuration: time.Hour}
			if tc.env != "" {
				opts.Env = Environ{tc.env}
			}
			if tc.name == "hangs" {
				opts.Timeout = 300 * time.Millisecond
			}
			x := newExecPlugin(t, opts)
			writeFile(t, filepath.Join(x.dir, "answer"), tc.answer)
			_, err := x.Credential(t.Context(), Resource{Host: "r.example.com"})
			if !errors.Is(err, ErrHelper) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %s", err, tc.want)
			}
			noCanary(t, "error", err.Error())
			if tc.want == "needs a user name" {
				return // which is an answer, and kept as one
			}
			os.Remove(filepath.Join(x.dir, "busy"))
			if len(x.kept) > 0 {
				t.Error("a failure is kept")
			}
		})
	}
}
