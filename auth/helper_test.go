package auth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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
esac`

func TestHelperTranscript(t *testing.T) {
	dir := installHelper(t, "keeper", keeper)
	f := fileStore(t, `{"credsStore":"keeper","auths":{"r.io":{"auth":"dTox","note":1}}}`, nil)
	r := Resource{Host: "r.io"}
	if _, err := f.Credential(t.Context(), r); err != ErrNoCredential {
		t.Errorf("before: %v; the file's entry must not answer beside a helper", err)
	}
	origin, err := f.Put(t.Context(), r, password("bob", canary))
	if err != nil || origin.Location != "docker-credential-keeper" || origin.Key != "r.io" {
		t.Fatalf("%s, %v", origin, err)
	}
	if got := read(t, f.Path()); strings.Contains(got, "dTox") || !strings.Contains(got, `"note": 1`) {
		t.Errorf("the older secret stays in the file: %s", got)
	}
	c, err := f.Credential(t.Context(), r)
	if err != nil || c.Username != "bob" || c.Password.Reveal() != canary {
		t.Errorf("user %q, %v", c.Username, err)
	}
	removed, err := f.Delete(t.Context(), r)
	if err != nil || len(removed) != 2 {
		t.Errorf("removed %v, %v", removed, err)
	}
	want := "get r.io\nstore {\"ServerURL\":\"r.io\",\"Username\":\"bob\",\"Secret\":\"" + canary + "\"}\nget r.io\nget r.io\nerase r.io\n"
	if got := read(t, filepath.Join(dir, "log")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

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

func TestHelperIdentityToken(t *testing.T) {
	dir := installHelper(t, "keeper", keeper)
	f := fileStore(t, `{"credsStore":"keeper"}`, nil)
	if _, err := f.Put(t.Context(), Resource{Host: "docker.io"}, Credential{IdentityToken: NewSecret("t")}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir, "kept")); !strings.Contains(got, `"ServerURL":"https://index.docker.io/v1/"`) || !strings.Contains(got, `token\u003e","Secret":"t"`) {
		t.Errorf("the helper got %s", got)
	}
	c, err := f.Credential(t.Context(), Resource{Host: "docker.io"})
	if err != nil || c.IdentityToken.Reveal() != "t" || !c.Password.IsZero() || c.Username != "" {
		t.Errorf("user %q, %v", c.Username, err)
	}
}

func TestHelperFailures(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		want         string // in the error; "": none
	}{
		{"not found", `echo "credentials not found in native keychain"; echo; exit 1`, ""},
		{"empty answer", `echo '{"Username":"","Secret":""}'`, ""},
		{"no server URL", `echo "no credentials server URL"; exit 1`, "no credentials server URL"},
		{"no user name", `echo "no credentials username"; exit 1`, "no credentials username"},
		{"words", `printf 'first\033[31m line\nsecond ` + canary + `\n'; exit 3`, "exit status 3: first[31m line"},
		{"a secret before the failure", `echo '{"Username":"u","Secret":"` + canary + `"}'; exit 1`, "withheld"},
		{"stderr", `echo ` + canary + ` >&2; exit 1`, "exit status 1"},
		{"no JSON", `echo ` + canary, "not a credential"},
		{"secret without a user", `echo '{"Username":"","Secret":"` + canary + `"}'`, "needs a user name"},
		{"endless output", `yes ` + canary, "wrote more than"},
		{"long line", `head -c 5000 /dev/zero | tr '\0' x; exit 1`, "xxx"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			installHelper(t, "bad", tc.script)
			f := fileStore(t, `{"credsStore":"bad"}`, nil)
			_, err := f.Credential(t.Context(), Resource{Host: "r.io"})
			if !errors.Is(err, ErrNoCredential) || errors.Is(err, ErrHelper) != (tc.want != "") || tc.want != "" && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
			noCanary(t, "error", err.Error())
			if len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("%d bytes: %q", len(err.Error()), err)
			}
		})
	}
}

func TestHelperHangs(t *testing.T) {
	installHelper(t, "slow", `sleep 60 & sleep 60`)
	installHelper(t, "agent", `sleep 60 & echo '{"Username":"u","Secret":"1"}'`)
	f := fileStore(t, `{"credHelpers":{"slow.io":"slow","agent.io":"agent"}}`, &FileOptions{HelperTimeout: 100 * time.Millisecond})
	start := time.Now()
	_, err := f.Credential(t.Context(), Resource{Host: "slow.io"})
	if !errors.Is(err, ErrHelper) || !strings.Contains(err.Error(), "no answer within") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Credential(ctx, Resource{Host: "slow.io"}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrHelper) {
		t.Errorf("with a deadline: %v", err)
	}
	f = fileStore(t, `{"credHelpers":{"agent.io":"agent"}}`, nil)
	if c, err := f.Credential(t.Context(), Resource{Host: "agent.io"}); err != nil || c.Username != "u" {
		t.Errorf("a helper that leaves an agent behind: %v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestHelperNames(t *testing.T) {
	installHelper(t, "x", `echo '{"Username":"u","Secret":"1"}'`)
	for _, suffix := range []string{"../x", "a/x", "..", ".", "a b", "x;id", "x\n", "-x/../x"} {
		f := fileStore(t, fmt.Sprintf(`{"credsStore":%q}`, suffix), nil)
		if _, err := f.Credential(t.Context(), Resource{Host: "r.io"}); !errors.Is(err, ErrHelper) {
			t.Errorf("%q: %v", suffix, err)
		}
	}
	f := fileStore(t, `{"credsStore":"x"}`, &FileOptions{NoExec: true})
	if _, err := f.Credential(t.Context(), Resource{Host: "r.io"}); !errors.Is(err, ErrHelper) {
		t.Errorf("NoExec: %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, helperPrefix+"here"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	t.Setenv("PATH", ".")
	f = fileStore(t, `{"credsStore":"here"}`, nil)
	if _, err := f.Credential(t.Context(), Resource{Host: "r.io"}); !errors.Is(err, ErrHelper) {
		t.Errorf("the current directory: %v", err) // helm#11951
	}
}

// A keychain that is asked twice at a time may hang.
func TestHelperOneAtATime(t *testing.T) {
	installHelper(t, "single", `mkdir "$dir/busy" || { echo "asked in parallel"; exit 1; }
sleep 0.05; rmdir "$dir/busy"; echo '{"Username":"u","Secret":"1"}'`)
	f := fileStore(t, `{"credsStore":"single"}`, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := f.Credential(t.Context(), Resource{Host: "r.io"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
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
