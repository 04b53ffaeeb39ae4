package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var plaintext = &FileOptions{Plaintext: PlaintextStore}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What other programs keep in the file stays byte for byte, at three levels.
func TestPutKeepsWhatItDoesNotKnow(t *testing.T) {
	const before = `{"HttpHeaders": {"X":  "<1>"}, "auths": {
  "other.io": {"auth":   "dTox", "note": 1.50},
  "r.io": {"email": "e@x",  "auth": "dTox", "deep": {"a":  [1,  2]}}
}, "big": 12345678901234567890.0}`
	f := fileStore(t, before, plaintext)
	if _, err := f.Put(t.Context(), Resource{Host: "r.io"}, password("bob", "2")); err != nil {
		t.Fatal(err)
	}
	want := `{
	"HttpHeaders": {"X":  "<1>"},
	"auths": {
		"other.io": {"auth":   "dTox", "note": 1.50},
		"r.io": {
			"email": "e@x",
			"deep": {"a":  [1,  2]},
			"auth": "` + b64("bob:2") + `"
		}
	},
	"big": 12345678901234567890.0
}
`
	if diff := cmp.Diff(want, read(t, f.Path())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPutShapes(t *testing.T) {
	for _, tc := range []struct {
		name, resource string
		c              Credential
		want           string
	}{
		{"password", "r.io", password("bob", "1"), `{"r.io":{"auth":"` + b64("bob:1") + `"}}`},
		{"docker hub", "docker.io", password("bob", "1"), `{"https://index.docker.io/v1/":{"auth":"` + b64("bob:1") + `"}}`},
		{"identity token", "r.io", Credential{IdentityToken: NewSecret("t")}, `{"r.io":{"auth":"` + b64(nullUser+":") + `","identitytoken":"t"}}`},
		{"identity token of a user", "r.io", Credential{Username: "bob", IdentityToken: NewSecret("t")}, `{"r.io":{"auth":"` + b64("bob:") + `","identitytoken":"t"}}`},
		{"registry token", "r.io", Credential{RegistryToken: NewSecret("t")}, `{"r.io":{"registrytoken":"t"}}`},
		{"path", "r.io/a/b", password("bob", "1"), `{"r.io/a/b":{"auth":"` + b64("bob:1") + `"}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := fileStore(t, "", plaintext)
			r := mustParse(t, tc.resource)
			origin, err := f.Put(t.Context(), r, tc.c)
			if err != nil {
				t.Fatal(err)
			}
			var file struct{ Auths map[string]any }
			var want map[string]any
			if err := errors.Join(json.Unmarshal([]byte(read(t, f.Path())), &file), json.Unmarshal([]byte(tc.want), &want)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, file.Auths); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			c, err := f.Credential(t.Context(), r)
			if err != nil || !c.Password.Equal(tc.c.Password) || !c.IdentityToken.Equal(tc.c.IdentityToken) || c.Origin != origin {
				t.Errorf("read back from %s, %v", c.Origin, err)
			}
			info, _ := os.Stat(f.Path())
			if _, err := f.Put(t.Context(), r, tc.c); err != nil {
				t.Fatal(err)
			}
			if again, _ := os.Stat(f.Path()); !os.SameFile(info, again) {
				t.Error("an unchanged credential was written again")
			}
		})
	}
}

func TestPutRefuses(t *testing.T) {
	f := fileStore(t, "", nil)
	_, err := f.Put(t.Context(), Resource{Host: "r.io"}, password("bob", canary))
	if !errors.Is(err, ErrPlaintextRefused) || !strings.Contains(err.Error(), "credential helper") {
		t.Errorf("plaintext: %v", err)
	}
	noCanary(t, "error", fmt.Sprint(err))
	f = fileStore(t, "", plaintext)
	for name, c := range map[string]Credential{
		"empty": {}, "empty user": password("", canary), "colon": password("a:b", canary), "control": password("a\x00", canary), "user alone": {Username: "bob"},
	} {
		if _, err := f.Put(t.Context(), Resource{Host: "r.io"}, c); err == nil {
			t.Errorf("%s was stored", name)
		}
	}
	docker, _ := NewDockerStore(f.Path(), plaintext)
	if _, err := docker.Put(t.Context(), Resource{"r.io", "a"}, password("bob", canary)); err == nil {
		t.Error("docker's file took a path")
	}
	if entries, _ := os.ReadDir(filepath.Dir(f.Path())); len(entries) != 0 {
		t.Errorf("something was written: %v", entries)
	}
}

func TestDelete(t *testing.T) {
	f := fileStore(t, auths("https://index.docker.io/v1/", "u:1", "docker.io", "u:2", "registry-1.docker.io", "u:3", "https://index.docker.io/v1/access-token", "u:4", "r.io", "u:5", "https://r.io/v2/", "u:6", "r.io/a", "u:7"), nil)
	removed, err := f.Delete(t.Context(), Resource{Host: "index.docker.io"})
	if err != nil || len(removed) != 4 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if removed, err := f.Delete(t.Context(), Resource{Host: "r.io"}); err != nil || len(removed) != 2 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if removed, err := f.Delete(t.Context(), Resource{Host: "r.io"}); err != nil || len(removed) != 0 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if _, err := f.Credential(t.Context(), Resource{"r.io", "a"}); err != nil {
		t.Errorf("the path's entry went with the host's: %v", err)
	}
}

// A program that takes no lock writes between our reading and our replacing.
func TestPutBesideAnUnlockedWriter(t *testing.T) {
	f := fileStore(t, auths("a.io", "u:1"), plaintext)
	times := 0
	f.beforeCompare = func() {
		if times++; times == 1 {
			writeFile(t, f.Path(), auths("a.io", "u:1", "docker.example", "u:2"))
		}
	}
	if _, err := f.Put(t.Context(), Resource{Host: "r.io"}, password("u", "3")); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"a.io", "docker.example", "r.io"} {
		if _, err := f.Credential(t.Context(), Resource{Host: host}); err != nil {
			t.Errorf("%s is lost: %v", host, err)
		}
	}
	f.beforeCompare = func() {
		times++
		writeFile(t, f.Path(), auths("a.io", fmt.Sprint("u:", times)))
	}
	if _, err := f.Put(t.Context(), Resource{Host: "s.io"}, password("u", "3")); err == nil {
		t.Error("a file that never stands still was written")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(f.Path()), ".*tmp*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
