// Command compare lets the contenders take turns and prints one table.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/internal/bench"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if worker, err := bench.Work(ctx, os.Stdin, os.Stdout); worker {
		if err != nil {
			log.Fatal("worker: ", err)
		}
		return
	}
	rounds := flag.Int("rounds", 15, "rounds of which medians are taken")
	only := flag.String("only", "", "operations to compare, separated by commas; empty: all")
	flag.Parse()
	if err := compare(ctx, *rounds, *only); err != nil {
		log.Fatal("compare: ", err)
	}
}

func compare(ctx context.Context, rounds int, only string) error {
	dir, err := os.MkdirTemp("", "compare-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	small, err := bench.SmallChart(dir)
	if err != nil {
		return err
	}
	large, err := bench.LargeChart(dir, 20)
	if err != nil {
		return err
	}
	huge, err := bench.LargeChart(dir, 80)
	if err != nil {
		return err
	}
	plan := bench.Plan{
		Charts:    []bench.Chart{small, large},
		Latencies: []time.Duration{0, 20 * time.Millisecond},
		Rounds:    max(0, rounds),
		Work:      dir,
	}
	if only != "" {
		plan.Only = strings.Split(only, ",")
	}
	rows, err := bench.Compare(ctx, plan)
	if err != nil {
		return err
	}
	if plan.Only == nil || slices.Contains(plan.Only, "look up in an index") {
		index := plan
		index.Rounds = min(3, plan.Rounds) // a round of Helm takes many seconds
		row, err := bench.CompareIndex(ctx, index, 60)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	// For memory: what a chart of this size takes in time follows from the above.
	plan.Charts, plan.Latencies, plan.Rounds = []bench.Chart{huge}, plan.Latencies[:1], min(3, plan.Rounds)
	more, err := bench.Compare(ctx, plan)
	if err != nil {
		return err
	}
	return bench.WriteTable(os.Stdout, append(rows, more...))
}
