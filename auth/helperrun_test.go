package auth

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Test22HelperTranscripts holds what helpers are told for each of their verbs
// to the letter, and what their answers come to.
func Test22HelperTranscripts(t *testing.T) {
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
	c, err := f.Credential(t.Context(), Resource{"r.io", "team/app"})
	if err != nil || c.Username != "bob" || c.Password.Reveal() != canary || c.Origin != origin {
		t.Errorf("user %q from %s, %v", c.Username, c.Origin, err)
	}
	users, err := f.helpers.list(t.Context(), "keeper")
	if err != nil || cmp.Diff(users, map[string]string{"r.io": "bob", "s.io": "eve"}) != "" {
		t.Errorf("list: %v, %v", users, err)
	}
	removed, err := f.Delete(t.Context(), r)
	if err != nil || len(removed) != 2 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if _, err := f.Credential(t.Context(), r); err != ErrNoCredential {
		t.Errorf("after: %v", err)
	}
	want := "get r.io\n" +
		`store {"ServerURL":"r.io","Username":"bob","Secret":"` + canary + "\"}\n" +
		"get r.io\nlist unused\nget r.io\nerase r.io\nget r.io\n"
	if diff := cmp.Diff(want, read(t, filepath.Join(dir, "log"))); diff != "" {
		t.Error(diff)
	}
}

// Test22HelperRefusals: a helper that cannot do what it is asked, as ecr-login
// cannot store and not erase, says so to the caller.
func Test22HelperRefusals(t *testing.T) {
	installHelper(t, "reader", `
case $1 in
get) echo '{"ServerURL":"r.io","Username":"AWS","Secret":"`+canary+`"}' ;;
*) echo "not implemented"; exit 1 ;;
esac`)
	f := fileStore(t, `{"credsStore":"reader"}`, nil)
	r := Resource{Host: "r.io"}
	_, stored := f.Put(t.Context(), r, password("bob", canary))
	_, erased := f.Delete(t.Context(), r)
	_, listed := f.helpers.list(t.Context(), "reader")
	for what, err := range map[string]error{"store": stored, "erase": erased, "list": listed} {
		if !errors.Is(err, ErrHelper) || !strings.Contains(err.Error(), "docker-credential-reader") || !strings.Contains(err.Error(), "not implemented") {
			t.Errorf("%s: %v", what, err)
		}
		noCanary(t, what, fmt.Sprint(err))
	}
}

// Test23HelperFailures: one of the three fixed texts, on standard output, with
// or without the end of the line, means that there is nothing; all else is a
// failure, of which one line is shown and no secret.
func Test23HelperFailures(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		want         string // in the error; "": none
	}{
		{"not found", `printf "credentials not found in native keychain"; exit 1`, ""},
		{"not found and newline", `echo "credentials not found in native keychain"; exit 1`, ""},
		{"not found and newlines", `printf "credentials not found in native keychain\r\n\n"; exit 1`, ""},
		{"not found on standard error", `echo "credentials not found in native keychain" >&2; exit 1`, "exit status 1"},
		{"not found and success", `echo "credentials not found in native keychain"`, "not what a helper says"},
		{"no server URL", `printf "no credentials server URL"; exit 1`, "no credentials server URL"},
		{"no server URL and newline", `echo "no credentials server URL"; exit 1`, "no credentials server URL"},
		{"no user name", `printf "no credentials username"; exit 1`, "no credentials username"},
		{"no user name and newline", `echo "no credentials username"; exit 1`, "no credentials username"},
		{"empty answer", `echo '{"Username":"","Secret":""}'`, ""},
		{"words", `printf 'first\033[31m line\nsecond ` + canary + `\n'; exit 3`, "exit status 3: first[31m line"},
		{"a secret before the failure", `echo '{"Username":"u","Secret":"` + canary + `"}'; exit 1`, "withheld"},
		{"standard error", `echo ` + canary + ` >&2; exit 1`, "exit status 1"},
		{"no JSON", `echo ` + canary, "not what a helper says"},
		{"secret without a user", `echo '{"Username":"","Secret":"` + canary + `"}'`, "needs a user name"},
		{"long line", `head -c 5000 /dev/zero | tr '\0' x; exit 1`, "xxx"},
		{"killed", `kill -9 $$`, "killed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			installHelper(t, "bad", tc.script)
			f := fileStore(t, `{"credsStore":"bad"}`, nil)
			_, err := f.Credential(t.Context(), Resource{Host: "r.io"})
			if !errors.Is(err, ErrNoCredential) || errors.Is(err, ErrHelper) != (tc.want != "") || tc.want != "" && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
			noCanary(t, "error", err.Error())
			e := new(Error)
			errors.As(err, &e)
			for _, cause := range e.Causes { // before the text of the whole is made fit to be shown
				if text := cause.Error(); strings.Count(text, "x") > 260 || strings.ContainsAny(text, "\n\x1b") {
					t.Errorf("%d bytes: %q", len(text), text)
				}
			}
		})
	}
}

// Test23HelperECR: ecr-login says "not found" of every failure, so for a
// registry of its own the error tells where the cause may be.
func Test23HelperECR(t *testing.T) {
	installHelper(t, "ecr-login", `echo "credentials not found in native keychain"; exit 1`)
	f := fileStore(t, `{"credsStore":"ecr-login"}`, nil)
	const ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
	if _, err := f.Credential(t.Context(), Resource{Host: ecr}); !errors.Is(err, ErrNoCredential) || !errors.Is(err, ErrHelper) || !strings.Contains(err.Error(), "~/.ecr/log") {
		t.Errorf("its own: %v", err)
	}
	if _, err := f.Credential(t.Context(), Resource{Host: "r.io"}); err != ErrNoCredential {
		t.Errorf("another: %v", err)
	}
	if removed, err := f.Delete(t.Context(), Resource{Host: ecr}); err != nil || len(removed) != 0 {
		t.Errorf("logout: %v, %v", removed, err)
	}
}

// Test23HelperStderr: what a helper says on standard error is for the debug log.
func Test23HelperStderr(t *testing.T) {
	installHelper(t, "chatty", `echo "warning: old keychain" >&2; echo '{"Username":"u","Secret":"1"}'`)
	for level, want := range map[slog.Level]bool{slog.LevelDebug: true, slog.LevelInfo: false} {
		var log bytes.Buffer
		opts := &FileOptions{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))}
		if _, err := fileStore(t, `{"credsStore":"chatty"}`, opts).Credential(t.Context(), Resource{Host: "r.io"}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log.String(), "old keychain") != want {
			t.Errorf("at level %s the log has %q", level, log.String())
		}
	}
}

// Test24HelperIdentityToken: the user name <token> marks an identity token, on
// the way to the helper and back.
func Test24HelperIdentityToken(t *testing.T) {
	dir := installHelper(t, "keeper", keeper)
	f := fileStore(t, `{"credsStore":"keeper"}`, nil)
	if _, err := f.Put(t.Context(), Resource{Host: "docker.io"}, Credential{Username: "alice", IdentityToken: NewSecret("t")}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir, "kept")); !strings.Contains(got, `"ServerURL":"https://index.docker.io/v1/"`) || !strings.Contains(got, `"Username":"\u003ctoken\u003e","Secret":"t"`) {
		t.Errorf("the helper got %s", got)
	}
	for _, host := range hubHosts {
		c, err := f.Credential(t.Context(), Resource{Host: host})
		if err != nil || c.IdentityToken.Reveal() != "t" || !c.Password.IsZero() || c.Username != "" {
			t.Errorf("%s: user %q, %v", host, c.Username, err)
		}
	}
}
