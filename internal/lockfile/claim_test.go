package lockfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestClaim lets many ask for one claim again and again while its file comes
// and goes: there are never two holders, and nothing stays.
func TestClaim(t *testing.T) {
	path := filepath.Join(t.TempDir(), "claim")
	var holders, turns atomic.Int64
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for got := 0; got < 25; {
				c, err := TryClaim(path)
				if err != nil {
					t.Error(err)
					return
				}
				if c == nil {
					continue
				}
				if holders.Add(1) != 1 {
					t.Error("two holders")
				}
				turns.Add(1)
				time.Sleep(20 * time.Microsecond) // long enough for a second one to be seen
				holders.Add(-1)
				c.Release()
				c.Release()
				got++
			}
		})
	}
	wait.Wait()
	if turns.Load() != 8*25 {
		t.Errorf("%d turns", turns.Load())
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file stays: %v", err)
	}
}

// A claim's file that somebody left behind is taken over.
func TestClaimLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "claim")
	if err := os.WriteFile(path, []byte("left"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := TryClaim(path)
	if c == nil || err != nil {
		t.Fatal(c, err)
	}
	if again, err := TryClaim(path); again != nil || err != nil {
		t.Errorf("a second claim: %v, %v", again, err)
	}
	c.Release()
	if _, err := TryClaim(filepath.Join(path, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that is not there: %v", err)
	}
	(*Claim)(nil).Release()
}
