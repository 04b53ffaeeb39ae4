//go:build unix

package auth

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestCapabilities(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	for path, mode := range map[string]os.FileMode{
		filepath.Join(dir, "docker-credential-pass"):         0o755,
		filepath.Join(other, "docker-credential-pass"):       0o755,
		filepath.Join(other, "docker-credential-ecr-login"):  0o755,
		filepath.Join(other, "docker-credential-notes.txt"):  0o644,
		filepath.Join(other, "docker-credential-"):           0o755,
		filepath.Join(other, "docker-credential-bad name"):   0o755,
		filepath.Join(other, "other-docker-credential-pass"): 0o755,
	} {
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "docker-credential-folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":relative:/does/not/exist:"+other)
	got := Capabilities()
	if want := []string{"ecr-login", "pass"}; !slices.Equal(got.Helpers, want) {
		t.Errorf("helpers %q, want %q", got.Helpers, want)
	}
	if !slices.Equal(got.Sources, append(DefaultSources(), SourceGitHub)) {
		t.Errorf("sources %q", got.Sources)
	}
	t.Setenv("PATH", "")
	if data, err := json.Marshal(Capabilities().Helpers); err != nil || string(data) != "[]" {
		t.Errorf("no helpers are %s, %v", data, err)
	}
}
