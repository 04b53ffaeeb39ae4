package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	repo "helm.sh/helm/v4/pkg/repo/v1"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/classic"
)

// Indexer is a contender that reads the indexes of classic chart repositories.
// ORAS is none.
type Indexer interface {
	// Index counts the versions of a chart in the index.yaml that lies in dir.
	Index(ctx context.Context, dir, name string) (versions int64, err error)
}

// Index opens the repository anew, so that nothing is known of it.
func (p *portolan) Index(ctx context.Context, dir, name string) (int64, error) {
	client, err := chart.NewClient(&chart.ClientOptions{Registry: p.registries})
	if err != nil {
		return 0, err
	}
	r, err := classic.Open(client, "file://"+filepath.ToSlash(dir), nil)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	versions, err := r.Versions(ctx, name)
	return int64(len(versions)), err
}

func (h *helm) Index(_ context.Context, dir, name string) (int64, error) {
	index, err := repo.LoadIndexFile(filepath.Join(dir, "index.yaml"))
	if err != nil {
		return 0, err
	}
	return int64(len(index.Entries[name])), nil
}

// What the index of CompareIndex holds: entries as those of large public
// repositories, with notes of changes in their annotations.
const (
	indexVersions = 60
	indexChart    = "chart-0001"
)

// writeIndex writes an index of megabytes into dir, as Helm lays it out.
func writeIndex(dir string, megabytes int) error {
	f, err := os.Create(filepath.Join(dir, "index.yaml"))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	size, _ := fmt.Fprint(w, "apiVersion: v1\nentries:\n")
	changes := strings.Repeat("        - kind: changed\n          description: \"something: else\"\n", 28)
	for c := 0; size < megabytes<<20; c++ {
		n, _ := fmt.Fprintf(w, "  chart-%04d:\n", c)
		size += n
		for v := range indexVersions {
			n, _ := fmt.Fprintf(w, "  - annotations:\n      artifacthub.io/changes: |\n%s    apiVersion: v2\n    appVersion: \"1.0\"\n    created: \"2024-01-02T03:04:05.678Z\"\n    digest: %064x\n    name: chart-%04d\n    urls:\n    - charts/chart-%04d-%d.tgz\n    version: %d.0.0\n",
				changes, c*1000+v, c, c, indexVersions-v, indexVersions-v)
			size += n
		}
	}
	fmt.Fprint(w, "generated: \"2024-01-02T03:04:05Z\"\n")
	return errors.Join(w.Flush(), f.Close())
}

// CompareIndex lets the contenders that can look up one chart in an index of
// that many megabytes, of which rounds and the heap are as in Compare.
func CompareIndex(ctx context.Context, plan Plan, megabytes int) (row Row, err error) {
	dir, err := os.MkdirTemp(plan.Work, "index-*")
	if err != nil {
		return Row{}, err
	}
	defer os.RemoveAll(dir)
	if err := writeIndex(dir, megabytes); err != nil {
		return Row{}, err
	}
	workers, err := startWorkers(ctx, plan)
	if err != nil {
		return Row{}, err
	}
	defer func() {
		for _, w := range workers {
			err = errors.Join(err, w.Close())
		}
	}()
	row = Row{Operation: "look up in an index", Chart: fmt.Sprintf("%d MB", megabytes), Outcomes: make([]Outcome, len(workers))}
	for i, w := range workers {
		if !readers(Names()[i]) {
			continue
		}
		if row.Outcomes[i], err = lookUp(w, dir, plan.Rounds); err != nil {
			return row, fmt.Errorf("%s: %w", Names()[i], err)
		}
	}
	return row, nil
}

// lookUp takes medians of rounds, and the heap of one more.
func lookUp(w *Worker, dir string, rounds int) (Outcome, error) {
	var o Outcome
	var times, cpu []time.Duration
	for round := range max(rounds, 1) + 1 {
		r, err := w.Do(Task{Op: OpIndex, Dir: dir, Watch: round == 0})
		if err == nil && r.Read != indexVersions {
			err = fmt.Errorf("%d versions instead of %d", r.Read, indexVersions)
		}
		if err != nil {
			return o, err
		}
		if round == 0 {
			o.Heap = r.Heap
			continue
		}
		times, cpu = append(times, r.Time), append(cpu, r.CPU)
	}
	o.Time, o.CPU = median(times), median(cpu)
	return o, nil
}
