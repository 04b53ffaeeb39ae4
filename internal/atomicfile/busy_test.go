package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// What is refused for a while is tried until it works, with growing pauses;
// what is refused for good is an error soon, or after two seconds.
func TestRetry(t *testing.T) {
	refused := errors.New("refused")
	tests := []struct {
		name        string
		until       time.Duration // when it begins to work
		again       bool
		want        error
		atMost      time.Duration
		fewestTries int
	}{
		{"at once", 0, true, nil, 0, 1},
		{"not worth another try", time.Hour, false, refused, 0, 1},
		{"held for a moment", 20 * time.Millisecond, true, nil, 100 * time.Millisecond, 3},
		{"held for a second", time.Second, true, nil, patience, 8},
		{"held for good", time.Hour, true, refused, patience, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, tries := time.Now(), 0
				err := retry(patience, func() (error, bool) {
					tries++
					if time.Since(began) >= tt.until {
						return nil, false
					}
					return refused, tt.again
				})
				if took := time.Since(began); err != tt.want || took > tt.atMost {
					t.Errorf("%v after %v, want %v within %v", err, took, tt.want, tt.atMost)
				}
				if tries < tt.fewestTries || tries > 50 {
					t.Errorf("%d tries", tries)
				}
			})
		})
	}
}

func TestRenameAndRemove(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for path, content := range map[string]string{a: "new", b: "old"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Rename(a, b); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(b); string(got) != "new" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	began := time.Now()
	if err := Rename(a, b); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("renamed what is not there: %v", err)
	}
	if err := Rename(b, dir); err == nil {
		t.Error("a directory was replaced")
	}
	for range 2 { // the second time there is nothing left
		if err := Remove(b); err != nil {
			t.Error(err)
		}
	}
	if err := Remove(filepath.Join(b, "inside")); err != nil {
		t.Errorf("without its directory: %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("what no patience helps took %v", took)
	}
}

// A file that somebody has open gets its new content once that one is done.
func TestReplaceOpenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	closed := time.AfterFunc(50*time.Millisecond, func() { reader.Close() })
	defer closed.Stop()
	if err := WriteFile(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); string(got) != "new" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
