package cache_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// torturePart is what a process does again and again, until it is killed or
// asked to end.
type torturePart struct {
	name string
	do   func(*tortureWorker, context.Context) error
}

// parts are what there is to do, where files are spoiled or not.
func (o tortureOrder) parts() []torturePart {
	parts := []torturePart{
		{"reader", (*tortureWorker).read},
		{"collector", (*tortureWorker).collect},
		{"verifier", (*tortureWorker).verify},
	}
	if o.Spoiled {
		return append(parts, torturePart{"vandal", (*tortureWorker).spoil})
	}
	return append(parts,
		torturePart{"writer", (*tortureWorker).write},
		torturePart{"exporter", (*tortureWorker).export},
		torturePart{"importer", (*tortureWorker).load},
	)
}

// TestTortureProcess is the other processes; alone it does nothing.
func TestTortureProcess(t *testing.T) {
	text := os.Getenv(tortureEnv)
	if text == "" {
		return
	}
	var order tortureOrder
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		t.Fatal(err)
	}
	if order.Part == "check" {
		if err := tortureCheck(t.Context(), order); err != nil {
			t.Fatal(err)
		}
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(io.Discard, os.Stdin)
	}()
	w, err := newTortureWorker(order)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range order.parts() {
		for part.name == order.Part {
			err := part.do(w, t.Context())
			if err = errors.Join(err, w.complaint()); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
				return
			case <-time.After(time.Duration(w.lots.IntN(4)) * time.Millisecond): // leave the others some time
			}
		}
	}
	t.Fatalf("no part %q", order.Part)
}

// torturePatience makes those wait for less who wait for a process that hangs.
const torturePatience = 2 * time.Second

// tortureWorker is one process at work.
type tortureWorker struct {
	tortureOrder
	lots  *rand.Rand
	store *cache.Store
	log   *logBuffer
	ref   registry.Reference
	repo  *registry.Repository
	count int
}

func newTortureWorker(order tortureOrder) (*tortureWorker, error) {
	w := &tortureWorker{tortureOrder: order, log: &logBuffer{}}
	w.lots = rand.New(rand.NewPCG(order.Seed, uint64(order.Number)))
	client, err := registry.NewClient(nil)
	if err != nil {
		return nil, err
	}
	if w.ref, err = client.ParseReference(order.Repository); err != nil {
		return nil, err
	}
	if w.repo, err = client.Repository(w.ref); err != nil {
		return nil, err
	}
	w.store, err = cache.Open(order.Dir, &cache.Options{Partition: order.Partition, Patience: torturePatience, Logger: slog.New(slog.NewTextHandler(w.log, nil))})
	return w, err
}

// complaint is what the cache logged, if a kill must not lead to it: the disk
// has room.
func (w *tortureWorker) complaint() error {
	if w.Spoiled {
		return nil
	}
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, "bad ") || strings.Contains(line, "cannot") || strings.Contains(line, "another reference") {
			return fmt.Errorf("the cache says: %s", line)
		}
	}
	return nil
}

// through reads the repository under a policy.
func (w *tortureWorker) through(p cache.Policy) *cache.Source {
	return w.store.Through(w.repo, w.ref, p)
}

func (w *tortureWorker) journal() tortureJournal { return tortureJournal(w.Journal) }

func (w *tortureWorker) anyChart() tortureChart { return w.Stock[w.lots.IntN(len(w.Stock))] }

// unique is a tag that no other process uses, and this one once.
func (w *tortureWorker) unique() string {
	w.count++
	return fmt.Sprintf("0.%d.%d", w.Number, w.count)
}
