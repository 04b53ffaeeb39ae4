package classic

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/portolan-oci/portolan/registry"
)

// FuzzIndex: no input makes the reader fail otherwise than with
// ErrInvalidIndex, and what reads by parts says what the whole says.
func FuzzIndex(f *testing.F) {
	f.Add(head + "  nginx:\n" + entryOf("nginx", "1.0.0"))
	f.Add("apiVersion: v1\nentries: {a: [{name: a, version: 1.0.0}]}\n")
	f.Add(`{"apiVersion":"v1","entries":{"a":[{"name":"a","version":"1.0.0"}]}}`)
	f.Add(head + "  a:\n  - description: |2-\n        x\n    name: 'a'\n    version: \"1\"\n  b: []\n")
	f.Add("\uFEFF---\r\n# c\r\napiVersion: v1\r\nentries:\r\n  \"1\":\r\n    - name: a\r\n      version: 1\r\n")
	f.Add(head + "  a:\n  - name: \"x\n  fake:\n  - it\"\n")
	f.Add("<<<en<<ries:\napiVersion: v1\n<<<ries:") // no web page
	r := rand.New(rand.NewPCG(5, 6))
	for range 5 {
		data, err := yaml.Marshal(generate(r))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := byParts(text)
		if err != nil && !errors.Is(err, ErrInvalidIndex) {
			t.Fatalf("error %v", err)
		}
		stream, serr := streamed(text)
		if serr != nil {
			return
		}
		if err != nil {
			t.Fatalf("streamed, and %v", err)
		}
		if diff := cmp.Diff(stream, got); diff != "" {
			t.Fatal(diff)
		}
		want, err := decoded(text)
		if err != nil {
			return // one entry spoils the whole of it
		}
		if diff := cmp.Diff(want, stream); diff != "" {
			t.Errorf("-whole +streamed:\n%s\n%q", diff, text)
		}
	})
}

// FuzzAliases: no file makes it fail otherwise than in words that do not
// repeat the file, and no alias is without a name.
func FuzzAliases(f *testing.F) {
	f.Add("repositories:\n- name: a\n  url: https://a\n  password: c4n4ry-s3cr3t\n")
	f.Add("repositories: [{name: c4n4ry-s3cr3t")
	f.Add("- c4n4ry-s3cr3t")
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), "repositories.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := Aliases(file)
		if err != nil && strings.Contains(err.Error(), "c4n4ry-s3cr3t") {
			t.Errorf("error = %v", err)
		}
		if _, ok := all[""]; ok {
			t.Errorf("an alias without a name: %q", all)
		}
	})
}

// FuzzParseNamespace: what is read prints as what reads the same.
func FuzzParseNamespace(f *testing.F) {
	f.Add("localhost:5000/team/charts/")
	f.Add("oci://ghcr.io")
	f.Add("me:c4n4ry@ghcr.io/x:1@sha256:y")
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := ParseNamespace(text)
		if err != nil {
			if !errors.Is(err, registry.ErrInvalidReference) {
				t.Errorf("error = %v", err)
			}
			return
		}
		again, err := ParseNamespace(ref.Host + "/" + ref.Repository)
		if err != nil || again != ref {
			t.Errorf("%q is %v, and that %v, %v", text, ref, again, err)
		}
	})
}
