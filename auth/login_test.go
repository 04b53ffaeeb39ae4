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

// Test62Login shows what Login says of a registry that lets everybody in:
// nothing is proved, the credential is stored, and the result says both.
func Test62Login(t *testing.T) {
	for name, c := range map[string]Credential{
		"password": password("bob", canary), "token alone": password("", canary), "registry token": {RegistryToken: NewSecret(canary)},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		f, r := fileStore(t, "", &FileOptions{Plaintext: PlaintextWarn}), mustParse(t, strings.TrimPrefix(srv.URL, "http://"))
		got, err := Login(t.Context(), f, r, c, loginOptions())
		srv.Close()
		if err != nil || got.Verified || len(got.Warnings) != 2 || !strings.Contains(got.Warnings[0], "did not ask") || !strings.Contains(got.Warnings[1], "credHelpers") {
			t.Errorf("%s: got %+v, %v", name, got, err)
			continue
		}
		if kept, err := f.Credential(t.Context(), r); err != nil || kept.kind() != got.Kind || kept.Origin != got.Origin {
			t.Errorf("%s: stored %+v, %v", name, kept, err)
		}
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
