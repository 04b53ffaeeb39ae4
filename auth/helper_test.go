package auth

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// installHelper puts a helper on PATH that runs script with $1, its standard
// input in $in, and $dir, where it may keep things.
func installHelper(t *testing.T, name, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	text := "#!/bin/sh\ndir='" + dir + "'\nin=$(cat)\necho \"$1 $in\" >>\"$dir/log\"\n" + script
	if err := os.WriteFile(filepath.Join(dir, helperPrefix+name), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return dir
}

const keeper = `
case $1 in
get) if [ -f "$dir/kept" ]; then cat "$dir/kept"; else echo "credentials not found in native keychain"; exit 1; fi ;;
store) echo "$in" >"$dir/kept" ;;
erase) rm "$dir/kept" ;;
list) echo '{"r.io":"bob","s.io":"eve"}' ;;
esac`

func TestHelperSelection(t *testing.T) {
	installHelper(t, "one", `echo '{"Username":"one","Secret":"1"}'`)
	installHelper(t, "two", `echo '{"Username":"two","Secret":"2"}'`)
	f := fileStore(t, `{"credsStore":"one","credHelpers":{"r.io":"two","s.io":"","docker.io":"two"},"auths":{"s.io":{"auth":"ZmlsZTox"},"t.io":{"auth":"ZmlsZTox","registrytoken":"reg"},"r.io/a":{"auth":"cGF0aDox"}}}`, nil)
	for name, want := range map[string]string{"r.io": "two", "s.io": "file", "q.io": "one", "docker.io": "two", "registry-1.docker.io": "two", "r.io/b": "two", "r.io/a/c": "path"} {
		if c, err := f.Credential(t.Context(), mustParse(t, name)); err != nil || c.Username != want {
			t.Errorf("%s: %q, %v; want %q", name, c.Username, err, want)
		}
	}
	if c, err := f.Credential(t.Context(), Resource{Host: "t.io"}); err != nil || c.RegistryToken.Reveal() != "reg" || c.Username != "one" {
		t.Errorf("a registry token beside a helper: %q, %v", c.Username, err)
	}
}

// Test10MissingHelper: a helper that is not there does not stand in the way of a public pull, and
// is named when the registry insists (helm#11951).
func Test10MissingHelper(t *testing.T) {
	w := newWorld(t)
	f := fileStore(t, `{"credsStore":"not-installed-anywhere"}`, nil)
	w.do(t, newSigner(t, &SignerOptions{Provider: f}), "GET", "public", "pull")
	w.challenge = func() string { return "Basic" }
	_, err := newSigner(t, &SignerOptions{Provider: f}).Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), send)
	if !errors.Is(err, ErrUnauthorized) || !errors.Is(err, ErrHelper) || !strings.Contains(err.Error(), "docker-credential-not-installed-anywhere") {
		t.Errorf("got %v", err)
	}
}
