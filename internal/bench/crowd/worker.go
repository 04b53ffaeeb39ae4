package crowd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// order is what a process of the crowd is told, once, on its standard input.
// Then it says "ready" and waits for the time to start, which comes on the next
// line, so that nobody's beginning counts.
type order struct {
	Reference, Cache, Layer string
	Goroutines              int
}

// answer is what one goroutine met: how long after the start its chart was
// there, verified and open.
type answer struct {
	Took time.Duration
	From cache.Origin
	Err  string
}

// workerMark tells a process, in its environment, that it is one of a crowd.
const workerMark = "PORTOLAN_BENCH_CROWD"

// Work does the part of one process of a crowd, if Measure has started this
// process for that; ok tells.
func Work(ctx context.Context, in io.Reader, out io.Writer) (ok bool, err error) {
	if os.Getenv(workerMark) == "" {
		return false, nil
	}
	orders, results := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	var o order
	if err := orders.Decode(&o); err != nil {
		return true, err
	}
	client, ref, err := o.client()
	if err != nil {
		return true, err
	}
	if err := results.Encode("ready"); err != nil {
		return true, err
	}
	var start time.Time
	if err := orders.Decode(&start); err != nil {
		return true, err
	}
	time.Sleep(time.Until(start))
	pulled := make([]*chart.Pulled, o.Goroutines)
	answers := make([]answer, o.Goroutines)
	var all sync.WaitGroup
	for i := range o.Goroutines {
		all.Go(func() {
			p, err := client.Pull(ctx, ref, chart.PullOptions{})
			if answers[i].Took = time.Since(start); err != nil {
				answers[i].Err = err.Error()
				return
			}
			pulled[i], answers[i].From = p, p.Origin.From
		})
	}
	all.Wait()
	if err := results.Encode(answers); err != nil {
		return true, err
	}
	// Only when nobody waits any more: hashing is what the others need the
	// processors for.
	if err := orders.Decode(new(string)); err != nil {
		return true, err
	}
	return true, results.Encode(o.wrong(pulled))
}

func (o order) client() (*chart.Client, registry.Reference, error) {
	ref, err := registry.ParseReference(o.Reference)
	if err != nil {
		return nil, ref, err
	}
	registries, err := registry.NewClient(nil)
	if err != nil {
		return nil, ref, err
	}
	store, err := cache.Open(o.Cache, nil)
	if err != nil {
		return nil, ref, err
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: registries, Cache: store})
	return client, ref, err
}

// wrong counts the charts that are not what was pushed.
func (o order) wrong(pulled []*chart.Pulled) (n int) {
	for _, p := range pulled {
		if p == nil {
			n++
			continue
		}
		if got, err := sum(p.Archive.Reader()); err != nil || got != o.Layer {
			n++
		}
		p.Close()
	}
	return n
}

// process is one of the crowd.
type process struct {
	cmd     *exec.Cmd
	orders  io.WriteCloser
	results *json.Decoder
}

// start starts this very program again, with args, which must lead it into
// Work, and returns when it is ready.
func start(ctx context.Context, o order, args []string) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, exe, args...)}
	p.cmd.Env = append(os.Environ(), workerMark+"=1", "DOCKER_CONFIG="+o.Cache)
	p.cmd.Stderr = os.Stderr
	if p.orders, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.results = json.NewDecoder(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	var ready string
	if err := errors.Join(p.tell(o), p.results.Decode(&ready)); err != nil {
		return nil, fmt.Errorf("process of the crowd: %w", errors.Join(err, p.close()))
	}
	return p, nil
}

func (p *process) tell(v any) error { return json.NewEncoder(p.orders).Encode(v) }

// close waits for the end of the process. Its standard input ends first.
func (p *process) close() error {
	p.orders.Close()
	return p.cmd.Wait()
}
