package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker-credential-helpers/credentials"
)

// execLibrary is a helper library that notes how it is asked.
type execLibrary struct {
	get  func(key string) (string, string, error)
	mu   sync.Mutex
	keys []string
	busy atomic.Int32
	most atomic.Int32 // calls at a time
}

func (l *execLibrary) Get(key string) (string, string, error) {
	l.mu.Lock()
	l.keys = append(l.keys, key)
	l.mu.Unlock()
	if n := l.busy.Add(1); n > l.most.Load() {
		l.most.Store(n)
	}
	defer l.busy.Add(-1)
	return l.get(key)
}

// otherVersion is "not found" as another version of the module has it.
type otherVersion struct{}

func (otherVersion) Error() string { return "credentials not found in native keychain" }

// The interface is that of docker's own libraries.
var _ Helper = credentials.Helper(nil)

// Test23FromHelper: what a helper library answers, and how it fails.
func Test23FromHelper(t *testing.T) {
	for _, tc := range []struct {
		name             string
		username, secret string
		err              error
		want             string // in the error; "": none
		none             bool
	}{
		{"a password", "u", canary, nil, "", false},
		{"not found", "", "", credentials.NewErrCredentialsNotFound(), "", true},
		{"not found of another version", "", "", otherVersion{}, "", true},
		{"not found, wrapped", "", "", fmt.Errorf("ecr: %w", otherVersion{}), "", true},
		{"nothing", "", "", nil, "", true},
		{"no user", "", canary, nil, "needs a user name", false},
		{"a failure", "", "", errors.New("no\x1b[31m role\n" + canary), "it failed: no[31m role", false},
		{"a failure that shows JSON", "", "", errors.New(`bad: {"secret":"` + canary + `"}`), "withheld", false},
		{"a failure like the fixed texts", "", "", credentials.NewErrCredentialsMissingServerURL(), "no credentials server URL", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := &execLibrary{get: func(string) (string, string, error) { return tc.username, tc.secret, tc.err }}
			c, err := FromHelper(l).Credential(t.Context(), Resource{"r.io", "a/b"})
			switch {
			case tc.none && err != ErrNoCredential, tc.want != "" && (!errors.Is(err, ErrHelper) || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v", err)
			case !tc.none && tc.want == "" && (err != nil || c.Username != tc.username || c.Password.Reveal() != tc.secret || c.Origin.Key != "r.io" || c.Origin.Location != "*auth.execLibrary"):
				t.Errorf("%q from %s, %v", c.Username, c.Origin, err)
			}
			noCanary(t, "error", fmt.Sprint(err))
			if len(l.keys) != 1 || l.keys[0] != "r.io" {
				t.Errorf("asked for %q", l.keys)
			}
		})
	}
	if _, err := FromHelper(nil).Credential(t.Context(), Resource{Host: "r.io"}); err != ErrNoCredential {
		t.Errorf("nil: %v", err)
	}
}

// Test24FromHelperIdentityToken: <token> marks an identity token, and Docker
// Hub has one key.
func Test24FromHelperIdentityToken(t *testing.T) {
	l := &execLibrary{get: func(string) (string, string, error) { return "<token>", canary, nil }}
	p := FromHelper(l)
	for _, host := range hubHosts {
		c, err := p.Credential(t.Context(), Resource{host, "library/a"})
		if err != nil || c.IdentityToken.Reveal() != canary || c.Username != "" || !c.Password.IsZero() {
			t.Errorf("%s: %q, %v", host, c.Username, err)
		}
	}
	for _, key := range l.keys {
		if key != hubKey {
			t.Errorf("asked for %q", key)
		}
	}
	findings, err := Explain(t.Context(), p, Resource{Host: "r.io"})
	if err != nil || len(findings) != 1 || findings[0].Outcome != OutcomeAnswers || findings[0].Kind != "identity token" {
		t.Errorf("%+v, %v", findings, err)
	}
	noCanary(t, "the provider", fmt.Sprintf("%v %+v %#v", p, p, p))
}

// Test25FromHelperHangs: nobody waits longer than they want to for a call that
// takes no context, and there is never a second one beside it.
func Test25FromHelperHangs(t *testing.T) {
	release := make(chan struct{})
	l := &execLibrary{get: func(string) (string, string, error) { <-release; return "u", "1", nil }}
	p := FromHelper(l).(*helperLibrary)
	p.timeout = 50 * time.Millisecond
	r := Resource{Host: "r.io"}
	for _, want := range []string{"no answer within 50ms", "an earlier call"} {
		if _, err := p.Credential(t.Context(), r); !errors.Is(err, ErrHelper) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	p.timeout = helperDefaultTimeout
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for range 2 { // while it waits, and when it is over before
		if _, err := p.Credential(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a deadline: %v", err)
		}
	}
	close(release)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if c, err := p.Credential(t.Context(), r); err != nil || c.Username != "u" {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
	wg.Wait()
	if n := l.most.Load(); n != 1 {
		t.Errorf("%d calls at a time", n)
	}
	if n := len(l.keys); n != 17 {
		t.Errorf("%d calls, want 17: who gave up while another call ran has made none", n)
	}
}
