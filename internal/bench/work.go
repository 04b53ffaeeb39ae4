package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"time"
)

// Result is what a task took in the worker's process.
type Result struct {
	Time time.Duration // by the clock
	CPU  time.Duration // of all its threads, garbage collection included
	Heap int64         // bytes by which live and uncollected objects grew at most, if watched
	Read int64         // bytes of the archive, for a pull
	Err  string        // empty: none
}

// workerName holds, in the environment of a worker, which contender it is.
const workerName = "PORTOLAN_BENCH_WORKER"

// Work does tasks from in, one JSON object each, and answers with one Result
// each on out, if this process was started by StartWorker; ok tells. It ends
// with in.
func Work(ctx context.Context, in io.Reader, out io.Writer) (ok bool, err error) {
	name := os.Getenv(workerName)
	if name == "" {
		return false, nil
	}
	home, err := os.MkdirTemp("", "bench-worker-*")
	if err != nil {
		return true, err
	}
	defer os.RemoveAll(home)
	contender, err := New(name, home)
	if err != nil {
		return true, err
	}
	tasks, results := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var task Task
		if err := tasks.Decode(&task); err != nil {
			if errors.Is(err, io.EOF) {
				return true, nil
			}
			return true, err
		}
		if err := results.Encode(measure(ctx, contender, task)); err != nil {
			return true, err
		}
	}
}

func measure(ctx context.Context, c Contender, task Task) Result {
	runtime.GC() // nobody pays for the one before
	heap := func() int64 { return 0 }
	if task.Watch {
		heap = watchHeap()
	}
	cpu, start := processorTime(), time.Now()
	read, err := task.Run(ctx, c)
	r := Result{Time: time.Since(start), CPU: processorTime() - cpu, Heap: heap(), Read: read}
	if err != nil {
		r.Err = err.Error()
	}
	return r
}

// watchHeap looks at the heap every millisecond until the function is called
// that it returns, which tells by how much it grew at most.
func watchHeap() (growth func() int64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	now := func() int64 {
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	start := now()
	stop, top := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		most := start
		for {
			select {
			case <-stop:
				top <- max(most, now())
				return
			case <-tick.C:
				most = max(most, now())
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-top - start
	}
}

// Worker is a contender in a process of its own. It does one task at a time.
// The caller closes it.
type Worker struct {
	cmd     *exec.Cmd
	tasks   io.WriteCloser
	results *json.Decoder
}

// StartWorker starts this very program again, with args, which must lead it
// into Work. The process is killed with ctx. DOCKER_CONFIG is pointed away
// from the user's.
func StartWorker(ctx context.Context, contender, home string, args ...string) (*Worker, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	w := &Worker{cmd: exec.CommandContext(ctx, exe, args...)}
	w.cmd.Env = append(os.Environ(), workerName+"="+contender, "DOCKER_CONFIG="+home)
	w.cmd.Stderr = os.Stderr
	if w.tasks, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.results = json.NewDecoder(out)
	return w, w.cmd.Start()
}

// Do has the worker do a task. The error is also the task's own.
func (w *Worker) Do(task Task) (Result, error) {
	var r Result
	if err := json.NewEncoder(w.tasks).Encode(task); err != nil {
		return r, err
	}
	if err := w.results.Decode(&r); err != nil {
		return r, fmt.Errorf("worker: %w", err)
	}
	if r.Err != "" {
		return r, errors.New(r.Err)
	}
	return r, nil
}

// Close ends the process.
func (w *Worker) Close() error {
	w.tasks.Close()
	return w.cmd.Wait()
}
