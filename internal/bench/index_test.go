package bench_test

import (
	"testing"

	"github.com/portolan-oci/portolan/internal/bench"
)

// TestIndexBudget holds a look-up to its memory, and the measure to what Helm
// is known to need: the whole index.
func TestIndexBudget(t *testing.T) {
	const megabytes = 30
	row, err := bench.CompareIndex(t.Context(), bench.Plan{Work: t.TempDir(), Args: []string{"-test.run=^TestWorker$"}}, megabytes)
	if err != nil {
		t.Fatal(err)
	}
	if got := row.Outcomes[0].Heap; got >= heapBudget {
		t.Errorf("the heap grew by %d bytes, budget %d", got, heapBudget)
	}
	if helm := row.Outcomes[1].Heap; helm < megabytes<<20 {
		t.Errorf("Helm's heap grew by %d bytes, less than the index has: the measure is wrong", helm)
	}
}
