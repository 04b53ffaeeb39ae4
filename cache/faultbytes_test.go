package cache_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
)

// TestEachByte flips every byte of every file of a cache: Verify finds it,
// readers never see it, and it is mended by the next use.
func TestEachByte(t *testing.T) {
	t.Parallel()
	f, s, log, budget := faultsCache(t)
	files, _ := faultsFiles(t, s.Dir())
	total := 0
	for _, path := range files {
		t.Run(kindOf(s.Dir(), path), func(t *testing.T) {
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			total += len(good)
			for i := 0; i < len(good); i += sparse {
				bad := bytes.Clone(good)
				bad[i] ^= 1 << (i % 8)
				if err := os.WriteFile(path, bad, 0o666); err != nil {
					t.Fatal(err)
				}
				faultsWant(t, s, cache.VerifyOptions{KeepBad: true}, path)
				if err := errors.Join(f.use(t.Context(), s), f.pack(t.Context(), s)); err != nil {
					t.Fatalf("byte %d: %v", i, err)
				}
				faultsWant(t, s, cache.VerifyOptions{})
				if t.Failed() {
					t.Fatalf("byte %d of %d", i, len(good))
				}
			}
			if len(good) > 0 && !strings.Contains(log.String(), "bad file in the cache removed") {
				t.Error("the log does not tell")
			}
		})
	}
	if total < 1000 {
		t.Errorf("%d bytes only", total)
	}
	f.spent()
	if err := f.use(t.Context(), s); err != nil || f.spent() != budget {
		t.Errorf("not mended: %v", err)
	}
}

// TestEachByteVerified is the same with Verify alone, which removes what is
// bad, before anything is read: of a pin, and of what it names, it says that it is
// lost.
func TestEachByteVerified(t *testing.T) {
	t.Parallel()
	f, s, _, _ := faultsCache(t)
	files, _ := faultsFiles(t, s.Dir())
	for _, path := range files {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(good); i += 7 * sparse {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << (i % 8)
			if err := os.WriteFile(path, bad, 0o666); err != nil {
				t.Fatal(err)
			}
			found := faultsFound(t, s, cache.VerifyOptions{})
			if len(found) != 1 || found[0].Path != path || !found[0].Removed {
				t.Fatalf("byte %d of %s: %+v", i, path, found)
			}
			inPin := found[0].Kind == cache.FaultContent
			if found[0].Lost != (inPin || found[0].Kind == cache.FaultPin) || inPin && found[0].Reference != faultsPin {
				t.Fatalf("byte %d of %s: %+v", i, path, found)
			}
			if inPin { // and still is, when nobody has packed it again
				if again := faultsFound(t, s, cache.VerifyOptions{}); !again[0].Lost || again[0].Reference != faultsPin {
					t.Fatalf("byte %d of %s, again: %+v", i, path, again)
				}
			}
			if err := errors.Join(f.use(context.Background(), s), f.pack(context.Background(), s)); err != nil {
				t.Fatalf("byte %d of %s: %v", i, path, err)
			}
			faultsWant(t, s, cache.VerifyOptions{})
		}
	}
}
