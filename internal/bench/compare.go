package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/portolan-oci/portolan/registry/registrytest"
)

// Plan says what Compare does.
type Plan struct {
	Charts    []Chart
	Latencies []time.Duration // before each answer of the registry
	Rounds    int             // of which medians are taken; 0: times are those of the one round that watches the heap
	Only      []string        // names of operations; nil: all
	Work      string          // a directory for what the contenders write
	Args      []string        // lead this program into Work when it is started again
}

// Row is one line of the table: all contenders at one operation.
type Row struct {
	Operation string
	Chart     string
	Latency   time.Duration
	Outcomes  []Outcome // in the order of Names; zero for one that cannot do it
}

// Outcome is a contender's part of a Row: medians of times, and the most that
// any round took of the rest. The heap has a round of its own.
type Outcome struct {
	Time, CPU time.Duration
	Requests  int
	Bytes     int64 // of request and response bodies
	Heap      int64
}

// operation is what is compared: a task, given a name that no task had before.
type operation struct {
	name  string
	local bool // needs no registry
	who   func(name string) bool
	task  func(s *scene, who, fresh string) Task
}

func operations() []operation {
	return []operation{
		{"pull cold", false, everybody, func(s *scene, _, _ string) Task {
			return Task{Op: OpPull, Ref: s.ref("stock"), Cache: s.scratch("cache")}
		}},
		{"pull warm", false, everybody, func(s *scene, who, _ string) Task {
			return Task{Op: OpPull, Ref: s.ref("stock"), Cache: filepath.Join(s.dir, "cache-"+who)}
		}},
		{"pull warm by digest", false, everybody, func(s *scene, who, _ string) Task {
			return Task{Op: OpPull, Ref: s.byDigest("stock"), Cache: filepath.Join(s.dir, "digests-"+who)}
		}},
		{"pull to a file", false, everybody, func(s *scene, _, _ string) Task {
			return Task{Op: OpSave, Ref: s.ref("stock"), Cache: s.scratch("cache"), Dest: s.scratch("dest")}
		}},
		{"push new", false, pushers, func(s *scene, _, fresh string) Task {
			return Task{Op: OpPush, Archive: s.chart.Archive, Ref: s.ref(fresh)}
		}},
		{"push again", false, pushers, func(s *scene, who, _ string) Task {
			return Task{Op: OpPush, Archive: s.chart.Archive, Ref: s.ref("again-" + who)}
		}},
		{"package", true, pushers, func(s *scene, _, _ string) Task {
			return Task{Op: OpPackage, Dir: s.chart.Dir, Dest: s.scratch("dest")}
		}},
		{"load", true, readers, func(s *scene, _, _ string) Task {
			return Task{Op: OpLoad, Archive: s.chart.Archive}
		}},
		{"unpack", true, readers, func(s *scene, _, _ string) Task {
			return Task{Op: OpUnpack, Archive: s.chart.Archive, Dest: s.scratch("dest")}
		}},
	}
}

// Compare runs the plan: for each chart, latency and operation the contenders
// take turns, each in its own process, after one turn that does not count.
// Each chart has processes of its own, each latency a registry.
func Compare(ctx context.Context, plan Plan) (rows []Row, err error) {
	for _, chart := range plan.Charts {
		workers, err := startWorkers(ctx, plan)
		if err != nil {
			return nil, err
		}
		for _, latency := range plan.Latencies {
			var some []Row
			some, err = compareAt(ctx, plan, chart, latency, workers)
			rows = append(rows, some...)
			if err != nil {
				break
			}
		}
		for _, w := range workers {
			err = errors.Join(err, w.Close())
		}
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func startWorkers(ctx context.Context, plan Plan) ([]*Worker, error) {
	var workers []*Worker
	for _, name := range Names() {
		w, err := StartWorker(ctx, name, plan.Work, plan.Args...)
		if err != nil {
			for _, other := range workers {
				other.Close()
			}
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		workers = append(workers, w)
	}
	return workers, nil
}

func compareAt(ctx context.Context, plan Plan, chart Chart, latency time.Duration, workers []*Worker) ([]Row, error) {
	s, err := newScene(ctx, plan.Work, chart, latency)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var rows []Row
	for _, op := range operations() {
		if plan.Only != nil && !slices.Contains(plan.Only, op.name) || op.local && latency != plan.Latencies[0] {
			continue
		}
		row := Row{Operation: op.name, Chart: chart.Label, Latency: latency}
		if row.Outcomes, err = s.compete(op, plan.Rounds, workers); err != nil {
			return rows, fmt.Errorf("%s, chart %s: %w", op.name, chart.Label, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// scene is a registry with a chart in it, and room for the contenders' files.
type scene struct {
	server *registrytest.Server
	chart  Chart
	digest string // of its manifest
	dir    string
	count  int
}

func newScene(ctx context.Context, work string, chart Chart, latency time.Duration) (*scene, error) {
	dir, err := os.MkdirTemp(work, "scene-*")
	if err != nil {
		return nil, err
	}
	s := &scene{server: registrytest.New(&registrytest.Options{Latency: latency}), chart: chart, dir: dir}
	stock, err := newPortolan()
	if err == nil {
		s.digest, err = stock.push(ctx, chart.Archive, s.ref("stock"))
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *scene) close() {
	s.server.Close()
	os.RemoveAll(s.dir)
}

func (s *scene) ref(repository string) string {
	return s.server.Host + "/" + repository + "/" + s.chart.Name + ":" + s.chart.Version
}

func (s *scene) byDigest(repository string) string {
	return s.server.Host + "/" + repository + "/" + s.chart.Name + "@" + s.digest
}

// scratch is a directory that is empty for each task.
func (s *scene) scratch(name string) string { return filepath.Join(s.dir, "scratch", name) }

// next makes a task, and the place for it.
func (s *scene) next(op operation, who string) (Task, error) {
	s.count++
	task := op.task(s, who, fmt.Sprintf("new-%d", s.count))
	if err := os.RemoveAll(s.scratch("")); err != nil {
		return task, err
	}
	return task, os.MkdirAll(s.scratch("dest"), 0o755)
}

// compete lets the contenders take turns. Who begins changes with each round.
func (s *scene) compete(op operation, rounds int, workers []*Worker) ([]Outcome, error) {
	times, cpu := make([][]time.Duration, len(workers)), make([][]time.Duration, len(workers))
	outcomes := make([]Outcome, len(workers))
	for round := range rounds + 2 {
		first, last := round == 0, round == rounds+1
		for turn := range workers {
			i := (turn + round) % len(workers)
			if !op.who(Names()[i]) {
				continue
			}
			task, err := s.next(op, Names()[i])
			if err != nil {
				return nil, err
			}
			task.Watch = last
			s.server.Reset()
			r, err := workers[i].Do(task)
			if err == nil && task.Op == OpPull && r.Read != s.chart.Size {
				err = fmt.Errorf("read %d of %d bytes", r.Read, s.chart.Size)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", Names()[i], err)
			}
			if first {
				continue // connections are open now, and caches filled
			}
			if !last || rounds == 0 {
				times[i], cpu[i] = append(times[i], r.Time), append(cpu[i], r.CPU)
			}
			cost, o := s.server.Cost(), &outcomes[i]
			o.Requests = max(o.Requests, cost.Requests)
			o.Bytes = max(o.Bytes, cost.Received+cost.Sent)
			o.Heap = max(o.Heap, r.Heap)
		}
	}
	for i := range outcomes {
		outcomes[i].Time, outcomes[i].CPU = median(times[i]), median(cpu[i])
	}
	return outcomes, nil
}

// median is 0 of none.
func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	n := len(d)
	if n == 0 {
		return 0
	}
	return (d[(n-1)/2] + d[n/2]) / 2
}
