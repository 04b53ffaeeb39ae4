package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// execJWT is an unsigned token with these claims.
func execJWT(claims string) string {
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// TestTokenFile: the text of the file is the secret of the kind that was said,
// and a JWT tells when it ends.
func TestTokenFile(t *testing.T) {
	r := Resource{"r.io", "team"}
	end := time.Date(2033, 5, 18, 3, 33, 20, 0, time.UTC)
	for _, tc := range []struct {
		name, text string
		opts       *TokenFileOptions
		want       Credential
	}{
		{"identity by default", "abc", nil, Credential{IdentityToken: NewSecret("abc")}},
		{"identity with a user", " abc\r\n", &TokenFileOptions{Username: "me"}, Credential{Username: "me", IdentityToken: NewSecret("abc")}},
		{"registry", "\n\tabc\n\n", &TokenFileOptions{Kind: TokenRegistry}, Credential{RegistryToken: NewSecret("abc")}},
		{"password", "a b ü\n", &TokenFileOptions{Kind: TokenPassword, Username: "me"}, Credential{Username: "me", Password: NewSecret("a b ü")}},
		{"JWT", execJWT(`{"exp":2000000000,"sub":"x"}`), nil, Credential{IdentityToken: NewSecret(execJWT(`{"exp":2000000000,"sub":"x"}`)), Expires: end}},
		{"JWT with a fraction", execJWT(`{"exp":2000000000.9}`), nil, Credential{IdentityToken: NewSecret(execJWT(`{"exp":2000000000.9}`)), Expires: end}},
		{"JWT that has ended", execJWT(`{"exp":1}`), nil, Credential{IdentityToken: NewSecret(execJWT(`{"exp":1}`)), Expires: time.Unix(1, 0)}},
		{"JWT without an end", execJWT(`{}`), nil, Credential{IdentityToken: NewSecret(execJWT(`{}`))}},
		{"JWT with words", execJWT(`{"exp":"soon"}`), nil, Credential{IdentityToken: NewSecret(execJWT(`{"exp":"soon"}`))}},
		{"JWT beyond all time", execJWT(`{"exp":1e300}`), nil, Credential{IdentityToken: NewSecret(execJWT(`{"exp":1e300}`))}},
		{"JWT before all time", execJWT(`{"exp":-5}`), nil, Credential{IdentityToken: NewSecret(execJWT(`{"exp":-5}`))}},
		{"three parts that are none", "a.b!.c", nil, Credential{IdentityToken: NewSecret("a.b!.c")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := writeFile(t, filepath.Join(t.TempDir(), "token"), tc.text)
			f, err := NewTokenFile(r, path, tc.opts)
			if err != nil {
				t.Fatal(err)
			}
			c, err := f.Credential(t.Context(), Resource{"r.io", "team/app"})
			if err != nil || !c.sameSecrets(tc.want) || !c.Expires.Equal(tc.want.Expires) || c.Origin != (Origin{"token file", path, "r.io/team"}) {
				t.Errorf("user %q, %s, expires %s, from %s, %v", c.Username, c.kind(), c.Expires, c.Origin, err)
			}
			for _, other := range []Resource{{"r.io", "teams"}, {Host: "r.io"}, {"s.io", "team"}} {
				if _, err := f.Credential(t.Context(), other); err != ErrNoCredential {
					t.Errorf("%s: %v", other, err)
				}
			}
		})
	}
}

// TestTokenFileFailures: a file without a token is a failure that is told, and
// nothing of it is.
func TestTokenFileFailures(t *testing.T) {
	dir := t.TempDir()
	in := func(name, content string) string { return writeFile(t, filepath.Join(dir, name), content) }
	for name, tc := range map[string]struct{ path, want string }{
		"missing":     {filepath.Join(dir, "none"), "no such file"},
		"empty":       {in("empty", ""), "it is empty"},
		"white space": {in("white", " \n\t\n"), "it is empty"},
		"two lines":   {in("two", canary+"\n"+canary), "more than one line"},
		"NUL":         {in("nul", canary+"\x00"+canary), "more than one line"},
		"two words":   {in("words", canary+" "+canary), "no token has"},
		"no ASCII":    {in("ascii", canary+"ü"), "no token has"},
		"no UTF-8":    {in("utf8", canary+"\xff"), "line of text"},
		"too long":    {in("long", strings.Repeat(canary, 10000)), "more than the limit of 65536"},
		"directory":   {dir, "not a regular file"},
		"device":      {os.DevNull, "not a regular file"},
	} {
		f, err := NewTokenFile(Resource{Host: "r.io"}, tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Credential(t.Context(), Resource{Host: "r.io"})
		if !errors.Is(err, ErrConfigInvalid) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.path) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if errors.Is(err, fs.ErrNotExist) != (name == "missing") {
			t.Errorf("%s is taken for a missing one", name)
		}
		noCanary(t, name, err.Error())
		findings, err := Explain(t.Context(), f, Resource{Host: "r.io"})
		if err != nil || len(findings) != 1 || findings[0].Outcome != OutcomeFailed || !strings.Contains(findings[0].Reason, tc.want) {
			t.Errorf("%s: %+v, %v", name, findings, err)
		}
	}
	for name, open := range map[string]func() (*TokenFile, error){
		"no host": func() (*TokenFile, error) { return NewTokenFile(Resource{}, "t", nil) },
		"no path": func() (*TokenFile, error) { return NewTokenFile(Resource{Host: "r.io"}, "", nil) },
		"unknown kind": func() (*TokenFile, error) {
			return NewTokenFile(Resource{Host: "r.io"}, "t", &TokenFileOptions{Kind: 3})
		},
		"password of nobody": func() (*TokenFile, error) {
			return NewTokenFile(Resource{Host: "r.io"}, "t", &TokenFileOptions{Kind: TokenPassword})
		},
		"user that can't be sent": func() (*TokenFile, error) {
			return NewTokenFile(Resource{Host: "r.io"}, "t", &TokenFileOptions{Username: "a:b"})
		},
	} {
		if _, err := open(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// TestTokenFileRotates: a new token is seen at the next look-up, the way the
// kubelet brings it: by a symbolic link that points elsewhere. A client that
// runs on goes over to it.
func TestTokenFileRotates(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	rotate := func(n int, text string) {
		t.Helper()
		data := fmt.Sprintf("..data%d", n)
		if err := errors.Join(os.Mkdir(filepath.Join(dir, data), 0o700), os.Symlink(data, filepath.Join(dir, "..new"))); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, data, "token"), text)
		if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	rotate(1, "first")
	if err := os.Symlink("..data/token", path); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.refresh = "first"
	f, err := NewTokenFile(w.resource(""), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSigner(t, &SignerOptions{Provider: f})
	w.do(t, s, "GET", "team/app", "pull")
	rotate(2, "second")
	w.refresh = "second" // and the first one is refused
	w.do(t, s, "GET", "team/other", "pull")
	if findings := f.Explain(t.Context(), Resource{Host: "elsewhere.io"}); len(findings) != 1 || findings[0].Outcome != OutcomeNone || !strings.Contains(findings[0].Reason, w.host()) {
		t.Errorf("%+v", findings)
	}
}

// FuzzTokenFile: what is read fits into one header line, and an end is a time
// that can be printed.
func FuzzTokenFile(f *testing.F) {
	for _, s := range []string{"abc\n", execJWT(`{"exp":2000000000}`), execJWT(`{"exp":1e18}`), "a.b.c", "a b", "\x00", " \r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		token, err := readToken(path, false)
		if err != nil {
			return
		}
		if token == "" || !strings.Contains(string(data), token) || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
			t.Errorf("%q", token)
		}
		if _, err := jwtExpiry(token).MarshalText(); err != nil {
			t.Error(err)
		}
	})
}
