package auth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func loginOptions() *LoginOptions { return &LoginOptions{PlainHTTP: true} }

func TestLogin(t *testing.T) {
	for _, challenge := range []string{"", "Basic"} {
		w := newWorld(t)
		w.user, w.password = "bob", canary
		if challenge != "" {
			w.challenge = func() string { return challenge }
		}
		store := NewMemoryStore()
		r := w.resource("")
		_, err := Login(t.Context(), store, r, password("bob", "wrong"), loginOptions())
		if !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), "check the user name") {
			t.Errorf("wrong password: %v", err)
		}
		if _, err := store.Credential(t.Context(), r); !errors.Is(err, ErrNoCredential) {
			t.Error("a wrong password was stored")
		}
		got, err := Login(t.Context(), store, r, password("bob", canary), loginOptions())
		if err != nil || !got.Verified || got.Origin.Kind != "memory" || len(got.Warnings) != 0 {
			t.Errorf("got %+v, %v", got, err)
		}
		if c, err := store.Credential(t.Context(), r); err != nil || c.Password.Reveal() != canary {
			t.Errorf("stored: %v", err)
		}
	}
}

func TestLoginUnverified(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	f := fileStore(t, "", &FileOptions{Plaintext: PlaintextWarn})
	got, err := Login(t.Context(), f, mustParse(t, strings.TrimPrefix(srv.URL, "http://")), password("bob", canary), loginOptions())
	if err != nil || got.Verified || len(got.Warnings) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestLoginBehindAPortal: what lets everybody in with a page is no registry.
func TestLoginBehindAPortal(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte("<html>Welcome to this hotel</html>"))
	}))
	defer srv.Close()
	store := NewMemoryStore()
	r := mustParse(t, strings.TrimPrefix(srv.URL, "http://"))
	if _, err := Login(t.Context(), store, r, password("bob", canary), loginOptions()); err == nil || !strings.Contains(err.Error(), "HTML") {
		t.Errorf("got %v, want an error that tells of a page", err)
	}
	if _, err := store.Credential(t.Context(), r); err == nil {
		t.Error("something was stored")
	}
}

// TestLoginToARegistryThatLetsEverybodyIn: zot tells anonymous users how it
// would ask, and then judges what it is given.
func TestLoginToARegistryThatLetsEverybodyIn(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		rw.Header().Set("WWW-Authenticate", "basic realm=")
		if _, secret, ok := req.BasicAuth(); ok && secret != canary {
			rw.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer srv.Close()
	store, r := NewMemoryStore(), mustParse(t, strings.TrimPrefix(srv.URL, "http://"))
	if _, err := Login(t.Context(), store, r, password("bob", "wrong"), loginOptions()); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("wrong password: %v", err)
	}
	if _, err := store.Credential(t.Context(), r); !errors.Is(err, ErrNoCredential) {
		t.Error("a wrong password was stored")
	}
	if got, err := Login(t.Context(), store, r, password("bob", canary), loginOptions()); err != nil || !got.Verified || len(got.Warnings) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestLoginRefused(t *testing.T) {
	for _, status := range []int{302, 404, 500} {
		srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Location", "/")
			rw.WriteHeader(status)
		}))
		store := NewMemoryStore()
		r := mustParse(t, strings.TrimPrefix(srv.URL, "http://"))
		_, err := Login(t.Context(), store, r, password("bob", canary), loginOptions())
		var e *Error
		if !errors.As(err, &e) || e.StatusCode != status {
			t.Errorf("%d: %v", status, err)
		}
		srv.Close()
		if _, err := Login(t.Context(), store, r, password("bob", canary), loginOptions()); err == nil {
			t.Error("a registry that is down let somebody in")
		}
		if _, err := store.Credential(t.Context(), r); err == nil {
			t.Error("something was stored")
		}
	}
	for name, c := range map[string]Credential{"empty": {}, "user alone": {Username: "bob"}, "colon": password("a:b", "1")} {
		if _, err := Login(t.Context(), NewMemoryStore(), Resource{Host: "r.invalid"}, c, nil); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// A token without a user name, as az acr login --expose-token prints it
// (helm#30883).
func TestLoginWithATokenAlone(t *testing.T) {
	w := newWorld(t)
	w.refresh = canary
	f := fileStore(t, "", plaintext)
	got, err := Login(t.Context(), f, w.resource(""), password("", canary), loginOptions())
	if err != nil || !got.Verified {
		t.Fatalf("got %+v, %v", got, err)
	}
	if text := read(t, f.Path()); strings.Contains(text, b64(":"+canary)) || !strings.Contains(text, b64(nullUser+":")) {
		t.Errorf("stored as %s", text)
	}
	if c, err := f.Credential(t.Context(), w.resource("")); err != nil || c.IdentityToken.Reveal() != canary {
		t.Errorf("read back: %v", err)
	}
	_, err = Login(t.Context(), f, w.resource(""), password("", "other"), loginOptions())
	if !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), "tried as an identity token") {
		t.Errorf("a wrong one: %v", err)
	}
}

func TestLoginToAPath(t *testing.T) {
	w := newWorld(t)
	w.user, w.password = "bob", canary
	f := fileStore(t, auths(w.host(), "host:1"), plaintext)
	if _, err := Login(t.Context(), f, w.resource("team/app"), password("bob", canary), loginOptions()); err != nil {
		t.Fatal(err)
	}
	if got := w.asked[0].Get("scope"); got != "repository:team/app:pull" {
		t.Errorf("the token was for %q", got)
	}
	if c, _ := f.Credential(t.Context(), w.resource("")); c.Username != "host" {
		t.Errorf("the host's entry is now %q", c.Username)
	}
	got, err := Logout(t.Context(), w.resource("team/app"), f, Static(w.resource(""), password("env", "1")))
	if err != nil || len(got.Removed) != 1 || len(got.Remaining) != 2 || got.Remaining[0].Key != w.host() || got.Remaining[1].Kind != "static" {
		t.Errorf("logout: %+v, %v", got, err)
	}
}
