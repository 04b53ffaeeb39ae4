package ecr

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// Keys of a role are used until five minutes before their end, then asked for
// anew, and to their end where the service that gives them is out of order.
func TestRoleKeysAreKept(t *testing.T) {
	w := newWorld(t)
	w.links["169.254.169.254"] = true
	p := w.provider(nil)
	ask := func(want ...string) {
		t.Helper()
		if _, err := w.ask(p, privateHost); err != nil {
			t.Error(err)
		}
		w.wantCalls(want...)
	}
	whole := append(slices.Clone(askInstance), getToken)
	ask(whole...)
	ask(getToken)
	w.advance(w.life - margin - time.Second)
	ask(getToken)
	w.advance(time.Second)
	ask(whole...)
	w.refuse = func(call string) *refusal {
		if strings.HasPrefix(call, "PUT") {
			return &refusal{status: 500}
		}
		return nil
	}
	w.advance(w.life - time.Minute)
	ask(askInstance[0], askInstance[0], getToken) // two attempts, then the keys that still live
	w.advance(time.Minute)
	if _, err := w.ask(p, privateHost); err == nil || errors.Is(err, auth.ErrNoCredential) {
		t.Errorf("with dead keys: %v", err)
	}
	w.wantCalls(askInstance[0], askInstance[0])
}

// A token file is read anew for each role session: the platform rotates it.
// Keys of one role are not taken for those of another.
func TestRoleIsTakenAnew(t *testing.T) {
	w := newWorld(t)
	w.useWebIdentity()
	p := w.provider(nil)
	assume := "POST " + regionalSTS + " AssumeRoleWithWebIdentity"
	if _, err := w.ask(p, privateHost); err != nil {
		t.Fatal(err)
	}
	w.write("token", "canary.that.ended")
	if _, err := w.ask(p, privateHost); err != nil {
		t.Errorf("while the keys live: %v", err)
	}
	w.wantCalls(assume, getToken, getToken)
	w.advance(w.life)
	_, err := w.ask(p, privateHost)
	if e, ok := errors.AsType[*auth.Error](err); !ok || !slices.Equal(e.Codes, []string{"InvalidIdentityToken"}) || !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("error %v", err)
	}
	w.write("token", webToken)
	if _, err := w.ask(p, privateHost); err != nil {
		t.Errorf("with a new token: %v", err)
	}
	w.wantCalls(assume, assume, getToken)
	w.env["AWS_ROLE_ARN"] = roleARN + "-2"
	if _, err := w.ask(p, privateHost); !errors.Is(err, auth.ErrDenied) {
		t.Errorf("another role: %v, want auth.ErrDenied", err)
	}
	w.wantCalls(assume)
}

// Keys that AWS stops to accept before their end are taken anew, once.
func TestRevokedSession(t *testing.T) {
	w := newWorld(t)
	w.links["169.254.169.254"] = true
	p := w.provider(nil)
	if _, err := w.ask(p, privateHost); err != nil {
		t.Fatal(err)
	}
	clear(w.sessions)
	if _, err := w.ask(p, privateHost); err != nil {
		t.Errorf("after the sessions were revoked: %v", err)
	}
	whole := append(slices.Clone(askInstance), getToken)
	w.wantCalls(append(append(slices.Clone(whole), getToken), whole...)...)
	w.refuse = func(call string) *refusal {
		if call == getToken {
			return jsonError("ExpiredTokenException", "expired")
		}
		return nil
	}
	if _, err := w.ask(p, privateHost); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("error %v, want auth.ErrUnauthorized", err)
	}
	w.wantCalls(append(append([]string{getToken}, askInstance...), getToken)...)
}

// Many callers at once take a role on once.
func TestOneRoleSessionForMany(t *testing.T) {
	w := newWorld(t)
	w.useWebIdentity()
	p := w.provider(nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := p.Credential(t.Context(), auth.Resource{Host: privateHost}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sessions := 0
	for _, call := range w.calls {
		if strings.HasSuffix(call, "AssumeRoleWithWebIdentity") {
			sessions++
		}
	}
	if sessions != 1 || len(w.calls) != 21 {
		t.Errorf("%d sessions in %d requests, want 1 in 21", sessions, len(w.calls))
	}
}
