package auth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// filesOpen writes content to a file and opens it with each profile.
func filesOpen(t *testing.T, content string, opts *FileOptions) map[string]*FileStore {
	t.Helper()
	stores := make(map[string]*FileStore)
	for name, open := range map[string]func(string, *FileOptions) (*FileStore, error){
		"docker": NewDockerStore, "helm": NewHelmStore, "containers": NewContainersStore,
	} {
		f, err := open(writeFile(t, filepath.Join(t.TempDir(), "config.json"), content), opts)
		if err != nil {
			t.Fatal(err)
		}
		f.settle = time.Millisecond
		stores[name] = f
	}
	return stores
}

// filesAsk is a question to a file: the password that it has for a resource,
// "" for none.
type filesAsk struct{ resource, want string }

func (a filesAsk) put(t *testing.T, p Provider) {
	t.Helper()
	c, err := p.Credential(t.Context(), mustParse(t, a.resource))
	if got := c.Password.Reveal(); got != a.want || (err == nil) == (a.want == "") || err != nil && !errors.Is(err, ErrNoCredential) {
		t.Errorf("%s: %q, %v; want %q", a.resource, got, err, a.want)
	}
}

func filesAskAll(t *testing.T, content string, asks ...filesAsk) {
	t.Helper()
	for name, f := range filesOpen(t, content, nil) {
		t.Run(name, func(t *testing.T) {
			for _, a := range asks {
				a.put(t, f)
			}
		})
	}
}

// Test01Hub: each of Docker Hub's four spellings is found under each name of
// it; a login is written under the one that the file's own tools read, and a
// logout removes them all.
func Test01Hub(t *testing.T) {
	keys := []string{"docker.io", "index.docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"}
	for _, key := range keys {
		for _, name := range keys {
			for profile, f := range filesOpen(t, auths(key, "u:1"), nil) {
				c, err := f.Credential(t.Context(), mustParse(t, name))
				if err != nil || c.Password.Reveal() != "1" || c.Origin.Key != key {
					t.Errorf("%s: %s under %s: %v", profile, name, key, err)
				}
			}
		}
	}
	canonical := map[string]string{"docker": hubKey, "helm": hubKey, "containers": "docker.io"}
	for profile, f := range filesOpen(t, auths(keys[0], "u:1", keys[1], "u:2", keys[2], "u:3", keys[3], "u:4", hubKey+"access-token", "u:5", "docker.io/team", "u:6"), plaintext) {
		for _, name := range keys {
			origin, err := f.Put(t.Context(), mustParse(t, name), password("bob", name))
			if err != nil || origin.Key != canonical[profile] {
				t.Errorf("%s: written under %q, %v", profile, origin.Key, err)
			}
			filesAsk{"docker.io", name}.put(t, f)
		}
		removed, err := f.Delete(t.Context(), Resource{Host: "index.docker.io"})
		if err != nil || len(removed) != 5 {
			t.Errorf("%s: removed %v, %v", profile, removed, err)
		}
		for _, name := range keys {
			filesAsk{name, ""}.put(t, f)
		}
		filesAsk{"docker.io/team/app", "6"}.put(t, f) // that is no spelling of the host
	}
}

// Test02BrowserTokens: the tokens that docker's browser login keeps beside
// Docker Hub's credential are never taken for it.
func Test02BrowserTokens(t *testing.T) {
	tokens := []string{hubKey + "access-token", "u:" + canary, hubKey + "refresh-token", "u:" + canary, "https://index.docker.io/v1/x", "u:" + canary}
	for profile, alone := range filesOpen(t, auths(tokens...), nil) {
		both := filesOpen(t, auths(append(tokens, hubKey, "u:1")...), nil)[profile]
		for range 1000 / 3 {
			for _, name := range hubHosts {
				if c, err := alone.Credential(t.Context(), Resource{Host: name}); !errors.Is(err, ErrNoCredential) {
					t.Fatalf("%s: %s answered", profile, c.Origin)
				}
				if c, err := both.Credential(t.Context(), Resource{Host: name}); err != nil || c.Password.Reveal() != "1" {
					t.Fatalf("%s: %s answered, %v", profile, c.Origin, err)
				}
			}
		}
	}
}

// Test03PathKeys: entries for paths never answer for their host, nor for
// another path.
func Test03PathKeys(t *testing.T) {
	filesAskAll(t, auths("r.io/a", "u:1", "r.io/b", "u:2"),
		filesAsk{"r.io", ""}, filesAsk{"r.io/c", ""}, filesAsk{"r.io/a", "1"}, filesAsk{"r.io/b/x", "2"})
	filesAskAll(t, auths("https://r.io/a", "u:1", "https://r.io/v1/a", "u:2"), filesAsk{"r.io", ""}, filesAsk{"r.io/a", ""})
}

// Test04LongestPath: the longest path answers, by whole segments, however the
// entries are ordered.
func Test04LongestPath(t *testing.T) {
	pairs := [][2]string{{"r.io", "u:0"}, {"r.io/a", "u:1"}, {"r.io/a/b", "u:2"}, {"r.io/ab", "u:3"}}
	for range 2 {
		slices.Reverse(pairs)
		var list []string
		for _, p := range pairs {
			list = append(list, p[0], p[1])
		}
		filesAskAll(t, auths(list...), filesAsk{"r.io/a/b/c", "2"}, filesAsk{"r.io/a/b", "2"}, filesAsk{"r.io/a/bc", "1"},
			filesAsk{"r.io/a/c", "1"}, filesAsk{"r.io/ab", "3"}, filesAsk{"r.io/abc", "0"}, filesAsk{"r.io", "0"})
	}
	m := NewMemoryStore()
	for _, p := range pairs {
		if _, err := m.Put(t.Context(), mustParse(t, p[0]), password("u", p[1][2:])); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range []filesAsk{{"r.io/a/b/c", "2"}, {"r.io/a/bc", "1"}, {"r.io/abc", "0"}} {
		a.put(t, m)
	}
}

// Test05LegacySpellings: older keys of a host answer for it after the
// canonical one, in a fixed order.
func Test05LegacySpellings(t *testing.T) {
	for _, key := range []string{"r.io/", "https://r.io", "https://r.io/", "https://r.io/v1/", "https://r.io/v2/", "https://r.io/v1", "https://r.io/v2", "http://r.io", "http://r.io/v1/", "HTTPS://R.io/v2/", "R.io"} {
		filesAskAll(t, auths(key, "u:1"), filesAsk{"r.io", "1"}, filesAsk{"r.io/a/b", "1"}, filesAsk{"r.io:443", ""}, filesAsk{"s.io", ""})
		filesAskAll(t, auths(key, "u:1", "r.io", "u:2"), filesAsk{"r.io", "2"})
	}
	for range 50 {
		filesAskAll(t, auths("http://r.io", "u:1", "https://r.io/v2/", "u:2", "https://r.io", "u:3"), filesAsk{"r.io", "3"})
	}
}

// Test06Ports: a host with a port is another host, and IPv6 addresses are
// found however they are written.
func Test06Ports(t *testing.T) {
	filesAskAll(t, auths("[::1]:5000", "u:1", "r.io:5000", "u:2", "[2001:db8::1]", "u:3", "https://[::2]:443/v2/", "u:4"),
		filesAsk{"[::1]:5000", "1"}, filesAsk{"[0:0::1]:5000/a", "1"}, filesAsk{"[::1]", ""}, filesAsk{"[::1]:5001", ""},
		filesAsk{"r.io:5000", "2"}, filesAsk{"r.io", ""}, filesAsk{"r.io:500", ""}, filesAsk{"[2001:DB8::1]", "3"}, filesAsk{"[::2]:443", "4"})
}

// Test07AuthVariants: whatever auth holds, a bad entry disables itself alone,
// is reported by its key, and shows nothing of what it holds.
func Test07AuthVariants(t *testing.T) {
	for _, tc := range []struct{ name, auth, want string }{
		{"padded", "dToxMg==", "12"},
		{"unpadded", "dToxMg", "12"},
		{"NUL tail", b64("u:1\x00\x00"), "1"},
		{"colon in the password", b64("u:1:2"), "1:2"},
		{"spaces around", " dTox ", "1"},
		{"UTF-8", b64("ü:1"), "1"},
		{"no colon", b64(canary), ""},
		{"empty user", b64(":" + canary), ""},
		{"not base64", "!!" + canary, ""},
		{"control characters", b64("u\n:" + canary), ""},
		{"invalid UTF-8", b64("\xff:" + canary), ""},
	} {
		raw := fmt.Sprintf(`{"auth":%q}`, tc.auth)
		for profile, f := range filesOpen(t, `{"auths":{"x.io":`+raw+`,"good.io":{"auth":"dTox"}, "https://x.io/":{"auth":"dToy"}, "x.io/a":`+raw+`, "y.io":`+raw+`}}`, nil) {
			t.Run(tc.name+"/"+profile, func(t *testing.T) {
				filesAsk{"good.io", "1"}.put(t, f)
				filesAsk{"y.io", tc.want}.put(t, f)
				next := tc.want
				if next == "" {
					next = "2" // that of the next spelling
				}
				filesAsk{"x.io/a", next}.put(t, f)
				_, err := f.Credential(t.Context(), Resource{Host: "y.io"})
				if tc.want == "" && (!errors.Is(err, ErrConfigInvalid) || !strings.Contains(err.Error(), "y.io")) {
					t.Errorf("got %v", err)
				}
				noCanary(t, "error", fmt.Sprintf("%v %#v", err, err))
			})
		}
	}
}

// Test07BadEntries is the same for entries that are wrong in other ways.
func Test07BadEntries(t *testing.T) {
	for name, raw := range map[string]string{
		"colon in the user": `{"username":"a:b","password":"` + canary + `"}`,
		"password alone":    `{"password":"` + canary + `"}`,
		"a string":          `"` + canary + `"`,
		"a number":          `{"auth":12}`,
		"a list":            `["` + canary + `"]`,
	} {
		f := filesOpen(t, `{"auths":{"bad.io":`+raw+`,"good.io":{"auth":"dTox"}}}`, nil)["docker"]
		filesAsk{"good.io", "1"}.put(t, f)
		_, err := f.Credential(t.Context(), Resource{Host: "bad.io"})
		if !errors.Is(err, ErrNoCredential) || !errors.Is(err, ErrConfigInvalid) || !strings.Contains(err.Error(), "bad.io") {
			t.Errorf("%s: %v", name, err)
		}
		noCanary(t, name, fmt.Sprintf("%v %#v", err, err))
	}
	filesAskAll(t, `{"auths":{"r.io":{}, "s.io":null}}`, filesAsk{"r.io", ""}, filesAsk{"s.io", ""})
	filesAskAll(t, " ", filesAsk{"r.io", ""})
	filesAskAll(t, `{"auths":null,"credHelpers":null,"credsStore":""}`, filesAsk{"r.io", ""})
	filesAsk{"r.io", "1"}.put(t, filesOpen(t, `{"auths":{"r.io":{"username":"u","password":"1"}}}`, nil)["docker"])
}

// Test08IdentityToken: an identity token is read with an auth and without one,
// except by podman's rules, by which an entry without an auth does not count;
// and it is written so that everybody reads it.
func Test08IdentityToken(t *testing.T) {
	content := `{"auths":{
		"a.io":{"identitytoken":"id"},
		"b.io":{"auth":"` + b64("u:") + `","identitytoken":"id"},
		"c.io":{"registrytoken":"reg"},
		"d.io":{"auth":"` + b64(":") + `","identitytoken":"id"},
		"e.io":{"auth":"","identitytoken":"id"}}}`
	alone, none := Credential{IdentityToken: NewSecret("id")}, Credential{}
	both := Credential{Username: "u", IdentityToken: NewSecret("id")}
	docker := map[string]Credential{"a.io": alone, "b.io": both, "c.io": {RegistryToken: NewSecret("reg")}, "d.io": alone, "e.io": alone}
	want := map[string]map[string]Credential{
		"docker": docker, "helm": docker,
		"containers": {"a.io": none, "b.io": both, "c.io": none, "d.io": none, "e.io": none},
	}
	for profile, f := range filesOpen(t, content, plaintext) {
		for host, w := range want[profile] {
			c, err := f.Credential(t.Context(), Resource{Host: host})
			if !c.sameSecrets(w) || (err == nil) == w.IsZero() {
				t.Errorf("%s: %s: user %q, %v", profile, host, c.Username, err)
			}
		}
		r := Resource{Host: "new.io"}
		if _, err := f.Put(t.Context(), r, alone); err != nil {
			t.Fatal(err)
		}
		if text := read(t, f.Path()); !strings.Contains(text, `"auth": "`+b64(nullUser+":")+`",`+"\n"+`			"identitytoken": "id"`) {
			t.Errorf("%s: written as %s", profile, text)
		}
		if c, err := f.Credential(t.Context(), r); err != nil || c.IdentityToken.Reveal() != "id" || c.Username != nullUser {
			t.Errorf("%s: read back as user %q, %v", profile, c.Username, err)
		}
		_, err := f.Put(t.Context(), r, Credential{RegistryToken: NewSecret(canary)})
		if (err == nil) == (profile == "containers") {
			t.Errorf("%s: a registry token: %v", profile, err)
		}
	}
}

// Test09CredHelpers: an entry of credHelpers beats credsStore, an empty one
// means the file, and podman's file has no credsStore at all.
func Test09CredHelpers(t *testing.T) {
	installHelper(t, "one", `echo '{"Username":"one","Secret":"1"}'`)
	installHelper(t, "two", `echo '{"Username":"two","Secret":"'$in'"}'`)
	const content = `{"credsStore":"one","credHelpers":{"r.io":"two","s.io":"","docker.io":"two","bad.io":1},
		"auths":{"s.io":{"auth":"ZmlsZTox"},"t.io":{"auth":"ZmlsZTox","registrytoken":"reg"},"r.io/a":{"auth":"cGF0aDox"},"u.io":{"auth":"ZmlsZTox"}}}`
	for profile, f := range filesOpen(t, content, nil) {
		want := map[string]string{"r.io": "two", "s.io": "file", "q.io": "one", "u.io": "one", "docker.io": "two", "registry-1.docker.io": "two", "r.io/b": "two", "r.io/a/c": "path"}
		hub := hubKey
		if profile == "containers" {
			want["q.io"], want["u.io"], hub = "", "file", "docker.io"
		}
		for name, w := range want {
			if c, err := f.Credential(t.Context(), mustParse(t, name)); c.Username != w || (err == nil) == (w == "") {
				t.Errorf("%s: %s: %q, %v; want %q", profile, name, c.Username, err, w)
			}
		}
		if c, err := f.Credential(t.Context(), Resource{Host: "docker.io"}); err != nil || c.Password.Reveal() != hub {
			t.Errorf("%s: the helper was asked for Docker Hub by another name than %s: %v", profile, hub, err)
		}
		if _, err := f.Credential(t.Context(), Resource{Host: "bad.io"}); !errors.Is(err, ErrConfigInvalid) {
			t.Errorf("%s: an entry that is no string: %v", profile, err)
		}
		if c, err := f.Credential(t.Context(), Resource{Host: "t.io"}); err != nil || profile != "containers" && (c.RegistryToken.Reveal() != "reg" || c.Username != "one") {
			t.Errorf("%s: a registry token beside a helper: %q, %v", profile, c.Username, err)
		}
	}
}

// TestFileIsReadAnew: a login of another process, and a file that goes and
// comes, are seen at the next look-up.
func TestFileIsReadAnew(t *testing.T) {
	f := fileStore(t, auths("r.io", "u:1"), nil)
	filesAsk{"r.io", "1"}.put(t, f)
	info, err := os.Stat(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, f.Path(), auths("r.io", "u:2")) // of the same size
	if err := os.Chtimes(f.Path(), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	filesAsk{"r.io", "2"}.put(t, f)
	if err := os.Remove(f.Path()); err != nil {
		t.Fatal(err)
	}
	filesAsk{"r.io", ""}.put(t, f)
	writeFile(t, f.Path(), auths("r.io", "u:3"))
	filesAsk{"r.io", "3"}.put(t, f)
}
