package cache_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// tortureEnv tells a process its order, as JSON.
const tortureEnv = "PORTOLAN_CACHE_TEST_TORTURE"

// tortureOrder is what a process is told to do, and where.
type tortureOrder struct {
	Part       string
	Partition  string
	Number     int    // of the process; no two have the same
	Seed       uint64 // of the whole test
	Dir        string // the cache
	Scratch    string // a directory for whatever else
	Journal    string // the file of what was promised
	Repository string
	Spoiled    bool // somebody spoils files
	Stock      []tortureChart
}

// torturePartitions are those of the processes; the second is a tenant's.
var torturePartitions = []string{"", "tenant"}

type tortureProcess struct {
	order tortureOrder
	cmd   *exec.Cmd
	stdin io.Closer // closing it asks the process to end
	out   bytes.Buffer
	done  chan struct{}
	err   error // once done
}

// kill may be called again.
func (p *tortureProcess) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// tortureFleet is the processes that use the cache.
type tortureFleet struct {
	t      *testing.T
	order  tortureOrder
	number int
	afloat []*tortureProcess
	killed map[string]int // by part
}

func newTortureFleet(t *testing.T, order tortureOrder) *tortureFleet {
	return &tortureFleet{t: t, order: order, killed: map[string]int{}}
}

// fill brings the fleet back to its strength.
func (f *tortureFleet) fill(lots *rand.Rand) {
	parts := f.order.parts()
	for len(f.afloat) < tortureStrength {
		part := parts[lots.IntN(len(parts))]
		f.afloat = append(f.afloat, f.start(part.name, torturePartitions[lots.IntN(len(torturePartitions))]))
	}
}

func (f *tortureFleet) start(part, partition string) *tortureProcess {
	f.t.Helper()
	f.number++
	p := &tortureProcess{order: f.order, done: make(chan struct{})}
	p.order.Part, p.order.Partition, p.order.Number = part, partition, f.number
	text, err := json.Marshal(p.order)
	if err != nil {
		f.t.Fatal(err)
	}
	p.cmd = exec.Command(os.Args[0], "-test.run=^TestTortureProcess$")
	p.cmd.Env = append(os.Environ(), tortureEnv+"="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		f.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	f.t.Cleanup(p.kill)
	return p
}

// victim waits for a random moment, or for one at which a file is half done,
// and takes one of the processes out of the fleet. Nil: one has ended by
// itself, and is blamed for it.
func (f *tortureFleet) victim(lots *rand.Rand) *tortureProcess {
	time.Sleep(time.Duration(lots.IntN(60)) * time.Millisecond)
	if lots.IntN(2) == 0 {
		f.awaitIngest()
	}
	for _, p := range f.afloat {
		select {
		case <-p.done:
			f.t.Errorf("a %s ended by itself: %v\n%s", p.order.Part, p.err, p.out.String())
			return nil
		default:
		}
	}
	i := lots.IntN(len(f.afloat))
	p := f.afloat[i]
	f.afloat = slices.Delete(f.afloat, i, i+1)
	f.killed[p.order.Part]++
	return p
}

// awaitIngest waits until new content is on its way into the cache, but not
// for long.
func (f *tortureFleet) awaitIngest() {
	names := func() map[string]bool {
		all := map[string]bool{}
		entries, _ := os.ReadDir(filepath.Join(f.order.Dir, "ingest")) // missing: empty
		for _, e := range entries {
			all[e.Name()] = true
		}
		return all
	}
	before := names()
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond / 2) {
		for name := range names() {
			if !before[name] {
				return
			}
		}
	}
}

// check lets a fresh process look at the cache and tells whether it is right.
func (f *tortureFleet) check() bool {
	f.t.Helper()
	p := f.start("check", "")
	p.stdin.Close()
	select {
	case <-p.done:
	case <-time.After(tortureLimit):
		p.kill()
		f.t.Errorf("a fresh process has not pulled everything within %s", tortureLimit)
	}
	if p.err != nil {
		f.t.Errorf("a fresh process: %v\n%s", p.err, p.out.String())
	}
	return p.err == nil
}

// sink kills them all.
func (f *tortureFleet) sink() {
	for _, p := range f.afloat {
		p.kill()
	}
	f.afloat = nil
}

// end lets the processes finish what they do.
func (f *tortureFleet) end() {
	for _, p := range f.afloat {
		p.stdin.Close()
	}
	for _, p := range f.afloat {
		select {
		case <-p.done:
		case <-time.After(tortureLimit):
			f.t.Errorf("a %s has not ended within %s", p.order.Part, tortureLimit)
			p.kill()
			continue
		}
		if p.err != nil {
			f.t.Errorf("a %s: %v\n%s", p.order.Part, p.err, p.out.String())
		}
	}
	f.afloat = nil
}
