package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Test63Login shows what becomes of a token without a user name, as az acr
// login --expose-token prints it (helm#30883): it is tried as an identity
// token, then under the user name for tokens if the caller knows one, and no
// entry without a user name is ever written.
func Test63Login(t *testing.T) {
	basic := func() string { return `Basic realm="r"` }
	for _, tc := range []struct {
		name       string
		world      func(*world)
		tokenUser  string
		secret     string
		kind       string // of what is stored; "": the login fails
		user       string // of what is stored
		wantHint   string
		noPassword bool // the secret is never sent as one
	}{
		{name: "identity token", world: func(w *world) { w.refresh = canary }, secret: canary, kind: "identity token", user: nullUser, noPassword: true},
		{name: "identity token, user known", world: func(w *world) { w.refresh = canary }, tokenUser: "bob", secret: canary, kind: "identity token", user: nullUser, noPassword: true},
		{name: "wrong token", world: func(w *world) { w.refresh = canary }, secret: "other", wantHint: "tried as an identity token", noPassword: true},
		{name: "400", world: func(w *world) { w.user, w.password = "bob", canary }, tokenUser: "bob", secret: canary, kind: "password", user: "bob"},
		{name: "401", world: func(w *world) { w.user, w.password, w.postStatus = "bob", canary, 401 }, tokenUser: "bob", secret: canary, kind: "password", user: "bob"},
		{name: "404", world: func(w *world) { w.user, w.password, w.postStatus = "bob", canary, 404 }, tokenUser: "bob", secret: canary, kind: "password", user: "bob"},
		{name: "405", world: func(w *world) { w.user, w.password, w.postStatus = "bob", canary, 405 }, tokenUser: "bob", secret: canary, kind: "password", user: "bob"},
		{name: "basic alone", world: func(w *world) { w.user, w.password, w.challenge = "bob", canary, basic }, tokenUser: "bob", secret: canary, kind: "password", user: "bob"},
		{name: "405, no user known", world: func(w *world) { w.user, w.password, w.postStatus = "bob", canary, 405 }, secret: canary, wantHint: "give a user name", noPassword: true},
		{name: "basic alone, no user known", world: func(w *world) { w.user, w.password, w.challenge = "bob", canary, basic }, secret: canary, wantHint: "give a user name", noPassword: true},
		{name: "wrong as both", world: func(w *world) { w.user, w.password = "bob", canary }, tokenUser: "bob", secret: "other", wantHint: `the password of "bob"`},
		{name: "server error", world: func(w *world) { w.user, w.password, w.postStatus = "bob", canary, 500 }, tokenUser: "bob", secret: canary, noPassword: true},
		{name: "user name that cannot be sent", world: func(w *world) {}, tokenUser: "a:b", secret: canary, noPassword: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			tc.world(w)
			f, opts := fileStore(t, "", plaintext), loginOptions()
			opts.TokenUser = tc.tokenUser
			got, err := Login(t.Context(), f, w.resource(""), password("", tc.secret), opts)
			if tc.kind == "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantHint) {
					t.Errorf("got %+v, %v; want an error that says %q", got, err, tc.wantHint)
				}
				if _, err := f.Credential(t.Context(), w.resource("")); !errors.Is(err, ErrNoCredential) {
					t.Error("something was stored")
				}
			} else if err != nil || !got.Verified || got.Kind != tc.kind {
				t.Errorf("got %+v, %v", got, err)
			} else if c, err := f.Credential(t.Context(), w.resource("")); err != nil || c.kind() != tc.kind || c.Username != tc.user {
				t.Errorf("stored %q of %q: %v", c.kind(), c.Username, err)
			} else if strings.Contains(read(t, f.Path()), `"`+b64(":"+tc.secret)+`"`) {
				t.Error("an entry without a user name was written")
			}
			for i, h := range w.headers {
				if tc.noPassword && (w.methods[i] == http.MethodGet || h.Get("Authorization") != "") {
					t.Errorf("the secret was sent as a password: %s %s", w.methods[i], h)
				}
			}
		})
	}
}

// Test63LoginKinds shows that a login with any kind of secret is checked with
// that secret alone, and what a refusal advises.
func Test63LoginKinds(t *testing.T) {
	for name, c := range map[string]Credential{
		"user name and the secret":            password("bob", "wrong"),
		"the identity token may have expired": {Username: "bob", IdentityToken: NewSecret("wrong")},
		"the registry token may have expired": {RegistryToken: NewSecret("wrong")},
	} {
		w := newWorld(t)
		w.user, w.password, w.refresh = "bob", canary, canary
		if _, err := Login(t.Context(), NewMemoryStore(), w.resource(""), c, loginOptions()); !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := newWorld(t)
	w.refresh = canary
	if got, err := Login(t.Context(), NewMemoryStore(), w.resource(""), Credential{IdentityToken: NewSecret(canary)}, loginOptions()); err != nil || got.Kind != "identity token" {
		t.Errorf("identity token: %+v, %v", got, err)
	}
	w.granted["ready"] = []Scope{{}}
	if got, err := Login(t.Context(), NewMemoryStore(), w.resource(""), Credential{RegistryToken: NewSecret("ready")}, loginOptions()); err != nil || !got.Verified || got.Kind != "registry token" {
		t.Errorf("registry token: %+v, %v", got, err)
	}
	denies := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusForbidden) }))
	defer denies.Close()
	if _, err := Login(t.Context(), NewMemoryStore(), mustParse(t, strings.TrimPrefix(denies.URL, "http://")), password("bob", canary), loginOptions()); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "may not do this") {
		t.Errorf("denied: %v", err)
	}
}

func TestLoginPrefersIdentityToken(t *testing.T) {
	for _, tc := range []struct {
		name     string
		given    any // refresh token that the token server gives
		good     string
		with     Credential
		opts     bool
		kind     string
		secret   string
		warnings int
	}{
		{name: "kept", given: "refresh", good: "refresh", with: password("bob", canary), opts: true, kind: "identity token", secret: "refresh"},
		{name: "not asked for", given: "refresh", good: "refresh", with: password("bob", canary), kind: "password", secret: canary},
		{name: "not given", with: password("bob", canary), opts: true, kind: "password", secret: canary, warnings: 1},
		{name: "unusable", given: "refresh", good: "other", with: password("bob", canary), opts: true, kind: "password", secret: canary, warnings: 1},
		{name: "cannot be sent", given: "a b\x00", good: "a b\x00", with: password("bob", canary), opts: true, kind: "password", secret: canary, warnings: 1},
		{name: "identity token again", given: canary, good: canary, with: Credential{IdentityToken: NewSecret(canary)}, opts: true, kind: "identity token", secret: canary},
		{name: "identity token not given again", good: canary, with: Credential{IdentityToken: NewSecret(canary)}, opts: true, kind: "identity token", secret: canary},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.user, w.password, w.refresh = "bob", canary, tc.good
			w.answer = map[string]any{"refresh_token": tc.given}
			store, opts := NewMemoryStore(), loginOptions()
			opts.PreferIdentityToken = tc.opts
			got, err := Login(t.Context(), store, w.resource(""), tc.with, opts)
			if err != nil || !got.Verified || got.Kind != tc.kind || len(got.Warnings) != tc.warnings {
				t.Fatalf("got %+v, %v", got, err)
			}
			c, _ := store.Credential(t.Context(), w.resource(""))
			if stored := c.Password.Reveal() + c.IdentityToken.Reveal(); stored != tc.secret || c.Username != tc.with.Username {
				t.Errorf("stored %+v", c)
			}
			if asked := w.asked[0].Get("offline_token") + w.asked[0].Get("access_type"); (asked != "") != tc.opts {
				t.Errorf("asked with %q", asked)
			}
		})
	}
}

// A server that gives each refresh token once: the one that came last is good.
func TestLoginKeepsTheLastIdentityToken(t *testing.T) {
	w := newWorld(t)
	given := 0
	w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.FormValue("refresh_token") != fmt.Sprintf("refresh-%d", given) {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		given++
		w.mu.Lock()
		w.granted["ready"] = []Scope{{}}
		w.mu.Unlock()
		fmt.Fprintf(rw, `{"token":"ready","refresh_token":"refresh-%d"}`, given)
	})
	store, opts := NewMemoryStore(), loginOptions()
	opts.PreferIdentityToken = true
	if _, err := Login(t.Context(), store, w.resource(""), password("bob", canary), opts); err != nil {
		t.Fatal(err)
	}
	if c, _ := store.Credential(t.Context(), w.resource("")); c.IdentityToken.Reveal() != "refresh-2" || given != 2 {
		t.Errorf("stored the token %q of %d", c.IdentityToken.Reveal(), given)
	}
}

// TestLoginIsNotAnonymous: what a signer does for pulls without a credential
// says nothing about one.
func TestLoginIsNotAnonymous(t *testing.T) {
	w := newWorld(t)
	w.user, w.password = "bob", canary
	opts := loginOptions()
	opts.Signer.RetryAnonymous = true
	if _, err := Login(t.Context(), NewMemoryStore(), w.resource("team/app"), password("bob", "wrong"), opts); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("got %v", err)
	}
}
