// Command crowd prints how long many readers wait who all want the same cold
// chart at once, each run beside a single pull.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/portolan-oci/portolan/internal/bench/crowd"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if worker, err := crowd.Work(ctx, os.Stdin, os.Stdout); worker {
		if err != nil {
			log.Fatal("worker: ", err)
		}
		return
	}
	var plan crowd.Plan
	flag.Int64Var(&plan.Size, "size", 20_000_000, "bytes of the chart")
	flag.Int64Var(&plan.Rate, "rate", 10_000_000, "bytes a second that the link carries in all")
	flag.DurationVar(&plan.Latency, "latency", 0, "before each answer of the registry")
	flag.IntVar(&plan.Runs, "runs", 5, "runs of each crowd")
	flag.Parse()
	if err := measure(ctx, plan, os.Stdout); err != nil {
		log.Fatal("crowd: ", err)
	}
}

func measure(ctx context.Context, plan crowd.Plan, out io.Writer) error {
	dir, err := os.MkdirTemp("", "crowd-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	plan.Work = dir
	fmt.Fprintln(out, "| crowd | run | alone | slowest | ratio | median reader | GETs of blobs | requests | wrong |")
	fmt.Fprintln(out, "|-------|-----|-------|---------|-------|---------------|---------------|----------|-------|")
	for _, c := range []struct {
		name      string
		processes []int
	}{
		{"16 processes × 4 goroutines", crowd.Alike(16, 4)},
		{"16 processes + 64 goroutines", append(crowd.Alike(16, 1), 64)},
		{"64 goroutines", []int{64}},
	} {
		plan.Processes = c.processes
		runs, err := crowd.Measure(ctx, plan)
		if err != nil {
			return err
		}
		for i, r := range runs {
			fmt.Fprintf(out, "| %s | %d | %s | %s | ×%.2f | %s | %d | %d | %d |\n", c.name, i+1, short(r.Single.Slowest), short(r.Crowd.Slowest),
				r.Ratio(), short(r.Crowd.Median), r.Crowd.BlobRequests, r.Crowd.Requests, r.Crowd.Wrong)
			if r.Crowd.Err != nil {
				return fmt.Errorf("%s: %w", c.name, r.Crowd.Err)
			}
		}
		fmt.Fprintf(out, "| %s | median | | | ×%.2f | | | | |\n", c.name, crowd.MedianRatio(runs))
	}
	return nil
}

func short(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
