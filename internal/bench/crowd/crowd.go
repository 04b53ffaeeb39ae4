// Package crowd measures how long many readers wait who all want the same cold
// chart at once, through one cache: processes with goroutines, behind one link
// that is as slow for all of them together as for one.
package crowd

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/portolan-oci/portolan/cache"
)

// Plan says what Measure does.
type Plan struct {
	// Processes has the number of goroutines in each process.
	Processes []int
	Size      int64 // of the chart, in bytes
	Rate      int64 // of the link, in bytes a second
	Latency   time.Duration
	Runs      int
	Work      string   // a directory for caches
	Args      []string // lead this program into Work when it is started again
}

// Alike is the Processes of a Plan where all have as many goroutines.
func Alike(processes, goroutines int) []int {
	return slices.Repeat([]int{goroutines}, processes)
}

// Run is one trial: a pull alone, and then the crowd, each through a cache of
// its own that was empty.
type Run struct{ Single, Crowd Gathering }

// Ratio is how much longer than the single pull the slowest of the crowd has
// taken.
func (r Run) Ratio() float64 { return float64(r.Crowd.Slowest) / float64(r.Single.Slowest) }

// Gathering is what those met who asked at the same moment.
type Gathering struct {
	Readers         int
	Slowest, Median time.Duration // until the chart is there, verified and open
	BlobRequests    int           // GETs of blobs
	Requests        int           // all of them
	Downloads       int           // readers whose chart came from the network by their own account
	Wrong           int           // charts with other bytes than were pushed, or that did not come
	Err             error

	took []time.Duration
}

func (g *Gathering) add(answers []answer) {
	for _, a := range answers {
		g.Readers++
		g.took = append(g.took, a.Took)
		if a.From == cache.FromNetwork {
			g.Downloads++
		}
		if a.Err != "" {
			g.Err = errors.Join(g.Err, errors.New(a.Err))
		}
	}
	slices.Sort(g.took)
	g.Slowest, g.Median = g.took[len(g.took)-1], g.took[len(g.took)/2]
}

// Measure runs the plan.
func Measure(ctx context.Context, plan Plan) ([]Run, error) {
	s, err := newStage(ctx, plan)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var runs []Run
	for range plan.Runs {
		single, err := s.gather(ctx, plan, []int{1})
		if err != nil {
			return runs, err
		}
		crowd, err := s.gather(ctx, plan, plan.Processes)
		if err != nil {
			return runs, err
		}
		runs = append(runs, Run{single, crowd})
	}
	return runs, nil
}

// MedianRatio is 0 of no runs.
func MedianRatio(runs []Run) float64 {
	var all []float64
	for _, r := range runs {
		all = append(all, r.Ratio())
	}
	slices.Sort(all)
	if n := len(all); n > 0 {
		return (all[(n-1)/2] + all[n/2]) / 2
	}
	return 0
}
