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

// Test21MalformedFile: a file that does not parse is never written over, is
// named in the error, and stands in nobody's way.
func Test21MalformedFile(t *testing.T) {
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
	for _, text := range []string{"{} {}", "{}x", "[]", "1", `{"auths":[]}`, `{"credHelpers":1}`, `{"credsStore":1}`, "\xef\xbb\xbf{}"} {
		f := fileStore(t, text, plaintext)
		if _, err := f.Put(t.Context(), r, password("u", "1")); !errors.Is(err, ErrConfigInvalid) || read(t, f.Path()) != text {
			t.Errorf("%q: %v, and now %q", text, err, read(t, f.Path()))
		}
	}
	late := fileStore(t, "{}", plaintext)
	late.beforeCompare = func() { writeFile(t, late.Path(), broken) }
	if _, err := late.Put(t.Context(), r, password("u", "1")); !errors.Is(err, ErrConfigInvalid) || read(t, late.Path()) != broken {
		t.Errorf("broken while it is written: %v, and now %s", err, read(t, late.Path()))
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

func Fuzz57ParseConfig(f *testing.F) {
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
