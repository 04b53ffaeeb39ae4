package auth

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// hugeConfig has entries under keys of that form until it has size bytes.
func hugeConfig(size int, form string) []byte {
	var b bytes.Buffer
	b.WriteString(`{"auths":{`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"`+form+`":0`, i)
	}
	b.WriteString(`}}`)
	return b.Bytes()
}

// Files, and the pull secrets of tenants, cost what reading them costs, and not
// the square of it.
func TestManyEntries(t *testing.T) {
	const (
		secret = 1 << 20         // the greatest of Kubernetes
		file   = 256 << 10       // the square grows faster here
		limit  = 8 * time.Second // each takes a tenth of it; the square took from 10 s on
	)
	r := Resource{Host: "ghcr.io"}
	within := func(what string, do func()) {
		t.Helper()
		start := time.Now()
		do()
		if took := time.Since(start); took > limit {
			t.Errorf("%s took %s", what, took)
		}
	}
	for _, form := range []string{"%x", "ghcr.[i%x]o"} {
		data := hugeConfig(secret, form)
		within("a look-up in a pull secret with keys like "+form, func() {
			p, err := FromDockerConfigJSON(data, MatchKubelet)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Credential(t.Context(), r); err == nil {
				t.Error("got a credential from bad entries")
			}
		})
	}
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, hugeConfig(file, "%x"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := NewDockerStore(path, &FileOptions{Plaintext: PlaintextStore})
	if err != nil {
		t.Fatal(err)
	}
	within("a login", func() {
		if _, err := f.Put(t.Context(), r, Credential{Username: "user", Password: NewSecret("secret")}); err != nil {
			t.Error(err)
		}
	})
	within("a list", func() {
		if list, err := f.List(t.Context()); err != nil || len(list) < 1000 {
			t.Errorf("%d entries, %v", len(list), err)
		}
	})
}

// A login writes nothing that no look-up reads any more.
func TestFileStaysReadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	before := hugeConfig(3<<20, "%x") // indented it has more than 4 MiB
	if err := os.WriteFile(path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := NewDockerStore(path, &FileOptions{Plaintext: PlaintextStore})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Put(t.Context(), Resource{Host: "ghcr.io"}, Credential{Username: "user", Password: NewSecret("secret")}); err == nil {
		t.Error("no error")
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the file has %d bytes, %v, want the %d of before", len(after), err, len(before))
	}
}
