package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func auths(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, fmt.Sprintf(`%q: {"auth": %q}`, pairs[i], b64(pairs[i+1])))
	}
	return `{"auths": {` + strings.Join(list, ", ") + `}}`
}

func writeFile(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func fileStore(t *testing.T, content string, opts *FileOptions) *FileStore {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if content != "" {
		writeFile(t, path, content)
	}
	f, err := NewHelmStore(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	f.settle = time.Millisecond // nobody else is here
	return f
}

func mustParse(t *testing.T, s string) Resource {
	t.Helper()
	r, err := ParseResource(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFileLookup(t *testing.T) {
	hub := []string{"docker.io", "index.docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"}
	type ask struct{ resource, want string }
	for _, tc := range []struct {
		name, file string
		asks       []ask
	}{
		{"host", auths("r.io", "u:1"), []ask{{"r.io", "1"}, {"r.io/a/b", "1"}, {"other.io", ""}, {"r.io:5000", ""}}},
		{"path keys never answer for the host", auths("r.io/a", "u:1", "r.io/b", "u:2"), []ask{{"r.io", ""}, {"r.io/c", ""}, {"r.io/a", "1"}}},
		{"longest path, whole segments", auths("r.io", "u:0", "r.io/a", "u:1", "r.io/a/b", "u:2", "r.io/ab", "u:3"),
			[]ask{{"r.io/a/b/c", "2"}, {"r.io/a/c", "1"}, {"r.io/ab", "3"}, {"r.io/abc", "0"}, {"r.io", "0"}}},
		{"legacy spellings", auths("https://a.io/", "u:1", "https://b.io/v1/", "u:2", "https://c.io/v2/", "u:3", "https://d.io", "u:4", "http://e.io", "u:5"),
			[]ask{{"a.io", "1"}, {"b.io", "2"}, {"c.io", "3"}, {"d.io", "4"}, {"e.io", "5"}}},
		{"canonical before legacy", auths("https://r.io/", "u:1", "r.io", "u:2"), []ask{{"r.io", "2"}}},
		{"ports and addresses", auths("[::1]:5000", "u:1", "r.io:5000", "u:2"), []ask{{"[::1]:5000", "1"}, {"[::1]", ""}, {"r.io:5000", "2"}, {"r.io", ""}}},
		{"case of the host", auths("R.io", "u:1"), []ask{{"r.io", "1"}}},
		{"colon in the password", auths("r.io", "u:1:2"), []ask{{"r.io", "1:2"}}},
		{"NUL after the password", auths("r.io", "u:1\x00\x00"), []ask{{"r.io", "1"}}},
		{"unpadded", `{"auths":{"r.io":{"auth":"dTox"}, "s.io":{"auth":"dToxMg"}}}`, []ask{{"r.io", "1"}, {"s.io", "12"}}},
		{"user and password fields", `{"auths":{"r.io":{"username":"u","password":"1"}}}`, []ask{{"r.io", "1"}}},
		{"marker", `{"auths":{"r.io":{}}}`, []ask{{"r.io", ""}}},
		{"empty file", " ", []ask{{"r.io", ""}}},
		{"nulls", `{"auths":null,"credHelpers":null,"credsStore":""}`, []ask{{"r.io", ""}}},
		{"empty helper is the file", `{"credsStore":"missing","credHelpers":{"r.io":""},"auths":{"r.io":{"auth":"dTox"}}}`, []ask{{"r.io", "1"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := fileStore(t, tc.file, nil)
			for _, a := range tc.asks {
				c, err := f.Credential(t.Context(), mustParse(t, a.resource))
				if got := c.Password.Reveal(); got != a.want || (err == nil) == (a.want == "") || err != nil && !errors.Is(err, ErrNoCredential) {
					t.Errorf("%s: %q, %v; want %q", a.resource, got, err, a.want)
				}
			}
		})
	}
	for _, key := range hub {
		for _, name := range hub {
			f := fileStore(t, auths(key, "u:1"), nil)
			c, err := f.Credential(t.Context(), mustParse(t, name))
			if err != nil || c.Password.Reveal() != "1" || c.Origin.Key != key {
				t.Errorf("%s under %s: %v", name, key, err)
			}
		}
	}
	f := fileStore(t, auths(hubKey+"access-token", "u:"+canary, hubKey+"refresh-token", "u:"+canary, "https://index.docker.io/v1/x", "u:"+canary), nil)
	if c, err := f.Credential(t.Context(), Resource{Host: "docker.io"}); !errors.Is(err, ErrNoCredential) {
		t.Errorf("the browser login's tokens answered: %v", c.Origin)
	}
}

func TestFileTokens(t *testing.T) {
	f := fileStore(t, `{"auths":{
		"a.io":{"identitytoken":"id"},
		"b.io":{"auth":"`+b64("u:")+`","identitytoken":"id"},
		"c.io":{"registrytoken":"reg"},
		"d.io":{"auth":"`+b64(":")+`","identitytoken":"id"}}}`, nil)
	for host, want := range map[string]Credential{
		"a.io": {IdentityToken: NewSecret("id")}, "b.io": {Username: "u", IdentityToken: NewSecret("id")},
		"c.io": {RegistryToken: NewSecret("reg")}, "d.io": {IdentityToken: NewSecret("id")},
	} {
		if c, err := f.Credential(t.Context(), Resource{Host: host}); err != nil || !c.sameSecrets(want) {
			t.Errorf("%s: user %q, %v", host, c.Username, err)
		}
	}
}

// One bad entry disables itself alone, and its text stays where it is.
func TestFileBadEntries(t *testing.T) {
	for name, raw := range map[string]string{
		"no colon":           fmt.Sprintf(`{"auth":%q}`, b64(canary)),
		"empty user":         fmt.Sprintf(`{"auth":%q}`, b64(":"+canary)),
		"not base64":         `{"auth":"!!` + canary + `"}`,
		"control characters": fmt.Sprintf(`{"auth":%q}`, b64("u\n:"+canary)),
		"invalid UTF-8":      fmt.Sprintf(`{"auth":%q}`, b64("\xff:"+canary)),
		"colon in the user":  `{"username":"a:b","password":"` + canary + `"}`,
		"a string":           `"` + canary + `"`,
		"a number":           `{"auth":12}`,
	} {
		t.Run(name, func(t *testing.T) {
			f := fileStore(t, `{"auths":{"bad.io":`+raw+`,"good.io":{"auth":"dTox"},"https://bad.io/":{"auth":"dToy"}, "bad.io/a":`+raw+`}}`, nil)
			if c, err := f.Credential(t.Context(), Resource{Host: "good.io"}); err != nil || c.Password.Reveal() != "1" {
				t.Errorf("the neighbour: %v", err)
			}
			if c, err := f.Credential(t.Context(), Resource{"bad.io", "a"}); err != nil || c.Password.Reveal() != "2" {
				t.Errorf("the next spelling: %v", err)
			}
			f = fileStore(t, `{"auths":{"bad.io":`+raw+`}}`, nil)
			_, err := f.Credential(t.Context(), Resource{Host: "bad.io"})
			if !errors.Is(err, ErrNoCredential) || !errors.Is(err, ErrConfigInvalid) || !strings.Contains(err.Error(), "bad.io") {
				t.Errorf("got %v", err)
			}
			noCanary(t, "error", fmt.Sprintf("%v %#v", err, err))
		})
	}
}

func TestFileMissingOrBroken(t *testing.T) {
	r := Resource{Host: "r.io"}
	f := fileStore(t, "", nil)
	if _, err := f.Credential(t.Context(), r); err != ErrNoCredential {
		t.Errorf("missing: %v", err)
	}
	broken := `{"auths": {"r.io": ` + canary
	f = fileStore(t, broken, &FileOptions{Plaintext: PlaintextStore})
	_, err := f.Credential(t.Context(), r)
	if !errors.Is(err, ErrConfigInvalid) || !strings.Contains(err.Error(), f.Path()) {
		t.Errorf("broken: %v", err)
	}
	noCanary(t, "error", err.Error())
	if _, err := f.Put(t.Context(), r, password("u", "1")); !errors.Is(err, ErrConfigInvalid) {
		t.Errorf("Put: %v", err)
	}
	if _, err := f.Delete(t.Context(), r); !errors.Is(err, ErrConfigInvalid) {
		t.Errorf("Delete: %v", err)
	}
	if got, _ := os.ReadFile(f.Path()); string(got) != broken {
		t.Errorf("the file is now %s", got)
	}
	dir, err := NewDockerStore(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Credential(t.Context(), r); !errors.Is(err, ErrConfigInvalid) {
		t.Errorf("a directory: %v", err)
	}
	// Everything goes on without it, and the cause shows in the end.
	w := newWorld(t)
	w.user = "bob"
	f = fileStore(t, broken, nil)
	s := newSigner(t, &SignerOptions{Provider: f})
	w.do(t, s, "GET", "a", "pull")
	w.challenge = func() string { return "Basic" }
	_, err = newSigner(t, &SignerOptions{Provider: Chain(f)}).Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), send)
	if !errors.Is(err, ErrUnauthorized) || !errors.Is(err, ErrConfigInvalid) {
		t.Errorf("the cause is not in %v", err)
	}
}

func TestDefaultPaths(t *testing.T) {
	for _, name := range []string{"DOCKER_CONFIG", "HELM_REGISTRY_CONFIG", "HELM_CONFIG_HOME", "XDG_CONFIG_HOME"} {
		t.Setenv(name, "")
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	check := func(find func() (string, error), want string) {
		t.Helper()
		if got, err := find(); err != nil || got != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	check(DefaultDockerPath, filepath.Join(home, ".docker", "config.json"))
	t.Setenv("XDG_CONFIG_HOME", "/xdg")
	check(DefaultHelmPath, filepath.FromSlash("/xdg/helm/registry/config.json"))
	t.Setenv("HELM_CONFIG_HOME", "/helm")
	check(DefaultHelmPath, filepath.FromSlash("/helm/registry/config.json"))
	t.Setenv("HELM_REGISTRY_CONFIG", "/reg.json")
	check(DefaultHelmPath, "/reg.json")

	// DOCKER_CONFIG takes the place of the home directory's.
	os.MkdirAll(filepath.Join(home, ".docker"), 0o700)
	writeFile(t, filepath.Join(home, ".docker", "config.json"), auths("r.io", "u:home"))
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	helm := writeFile(t, filepath.Join(t.TempDir(), "config.json"), auths("r.io", "u:helm", "s.io", "u:helm"))
	t.Setenv("HELM_REGISTRY_CONFIG", helm)
	p, err := NewDefault(&DefaultOptions{Files: *plaintext})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := p.Credential(t.Context(), Resource{Host: "r.io"}); err != nil || c.Password.Reveal() != "helm" {
		t.Errorf("got %v from %s", err, c.Origin)
	}
	store, err := NewDefaultStore(&FileOptions{Plaintext: PlaintextStore})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), Resource{Host: "r.io"}, password("u", "fresh")); err != nil {
		t.Fatal(err)
	}
	if c, _ := p.Credential(t.Context(), Resource{Host: "r.io"}); c.Password.Reveal() != "fresh" {
		t.Errorf("an older entry of %s hides the fresh login", c.Origin)
	}
	t.Setenv("HOME", "")
	t.Setenv("DOCKER_CONFIG", "")
	if _, err := NewDefault(nil); err != nil {
		t.Errorf("without HOME: %v", err)
	}
	t.Setenv("HOME", filepath.Join(helm, "not", "a", "directory"))
	p, _ = NewDefault(nil)
	if c, err := p.Credential(t.Context(), Resource{Host: "s.io"}); err != nil {
		t.Errorf("HOME is no directory: %v %v", c, err)
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, s := range []string{auths("r.io", "u:p"), `{"auths":{"a":{}},"credHelpers":{"b":"c"},"credsStore":"d","x":[1, 2 ]}`, `{`, ``, `null`, `{"a":1,"a":2}`, `{"auths":{"a":{"Auth":"x","z":1}}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := parseConfig(data)
		if err != nil {
			return
		}
		for _, m := range cfg.auths {
			if c, err := decodeEntry(m.raw); err == nil && !c.IsZero() && c.check() != nil {
				t.Fatalf("%s gives a credential that cannot be used", m.raw)
			}
		}
		raw, err := encodeEntry(nil, password("u", "p"))
		if err != nil {
			t.Fatal(err)
		}
		top := cfg.top
		cfg.auths = cfg.auths.with("new.example", raw)
		out := cfg.encode()
		again, err := parseConfig(out)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%q was written as %q: %v", data, out, err)
		}
		for _, m := range top {
			was, _ := top.get(m.key)
			if is, found := again.top.get(m.key); m.key != "auths" && (!found || string(is) != string(was)) {
				t.Fatalf("%q: %s was %s and is %s", data, m.key, was, is)
			}
		}
	})
}
