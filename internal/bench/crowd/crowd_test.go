package crowd_test

import (
	"flag"
	"os"
	"testing"

	"github.com/portolan-oci/portolan/internal/bench/crowd"
)

// ratio is loose by default: how long eighty readers take to hash a chart says
// as much about the machine's other work as about the cache.
var ratio = flag.Float64("crowd-ratio", 5, "how many times as long as a single pull the slowest may take, by the median of the runs")
var runs = flag.Int("crowd-runs", 1, "runs of the crowd")

// TestWorker is the processes of the crowd; alone it does nothing.
func TestWorker(t *testing.T) {
	if _, err := crowd.Work(t.Context(), os.Stdin, os.Stdout); err != nil {
		t.Fatal(err)
	}
}

// Any number of goroutines and processes that want the same cold chart cause
// one download, and nobody waits for much longer than one alone.
func TestOneDownload(t *testing.T) {
	for _, tt := range []struct {
		name      string
		processes []int
	}{
		{"16 processes with 4 goroutines", crowd.Alike(16, 4)},
		{"16 processes and one with 64 goroutines", append(crowd.Alike(16, 1), 64)},
		{"64 goroutines", []int{64}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, err := crowd.Measure(t.Context(), crowd.Plan{
				Processes: tt.processes, Size: 20_000_000, Rate: 10_000_000, Runs: *runs,
				Work: t.TempDir(), Args: []string{"-test.run=^TestWorker$"},
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, run := range all {
				t.Logf("alone %s; crowd: slowest %s (×%.2f), median %s, %d requests", run.Single.Slowest, run.Crowd.Slowest, run.Ratio(), run.Crowd.Median, run.Crowd.Requests)
				for _, g := range []crowd.Gathering{run.Single, run.Crowd} {
					if g.Err != nil || g.Wrong > 0 {
						t.Errorf("%d of %d charts are wrong: %v", g.Wrong, g.Readers, g.Err)
					}
					if g.BlobRequests != 1 {
						t.Errorf("%d readers: %d GETs of blobs, want 1", g.Readers, g.BlobRequests)
					}
				}
			}
			if got := crowd.MedianRatio(all); got > *ratio {
				t.Errorf("the slowest has waited for %.2f times a single pull, want at most %.2f", got, *ratio)
			}
		})
	}
}
