package auth

import (
	"os"
	"path/filepath"
	"testing"
)

// Docker merges the objects of several members named auths, as encoding/json
// does with maps.
func TestAuthsTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(`{"auths":{"a.example":{"auth":"YTpwYXNz"}},"x":1,"auths":{"b.example":{"auth":"YjpwYXNz"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := NewDockerStore(path, &FileOptions{Plaintext: PlaintextStore})
	if err != nil {
		t.Fatal(err)
	}
	look := func(when string, users map[string]string) {
		t.Helper()
		for host, want := range users {
			if c, err := f.Credential(t.Context(), Resource{Host: host}); err != nil || c.Username != want {
				t.Errorf("%s: %s has user %q, %v, want %q", when, host, c.Username, err, want)
			}
		}
	}
	look("before", map[string]string{"a.example": "a", "b.example": "b"})
	if _, err := f.Put(t.Context(), Resource{Host: "c.example"}, Credential{Username: "c", Password: NewSecret("pass")}); err != nil {
		t.Fatal(err)
	}
	look("after", map[string]string{"a.example": "a", "b.example": "b", "c.example": "c"})
}
