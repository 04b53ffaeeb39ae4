package cache

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/registry"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ListsAge makes what the file notes older by age.
func ListsAge(t testing.TB, path string, age time.Duration) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var plain map[string]any
	if err := json.Unmarshal(data[sealSize:], &plain); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"listed", "since", "confirmed"} {
		if text, ok := plain[key].(string); ok {
			then, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				t.Fatal(err)
			}
			plain[key] = then.Add(-age)
		}
	}
	if data, err = seal(plain); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// ListsHold is holdReferrers.
func ListsHold(s *Store, subject registry.Reference, carried ...ocispec.Descriptor) error {
	return s.holdReferrers(subject, carried)
}
