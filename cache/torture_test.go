package cache_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/registry/registrytest"
)

// The long form of TestTorture:
//
//	go test ./cache -run '^TestTorture' -v -count=1 -timeout 60m -torture 500 [-torture-seed N] [-artifacts]
var (
	tortureKills = flag.Int("torture", max(25/sparse, 5), "how many processes TestTorture kills")
	tortureSeed  = flag.Uint64("torture-seed", 0, "what TestTorture draws its lots from; 0: the time")
)

const (
	// tortureStrength is how many processes use the cache at once, without the
	// fresh one that looks after each kill.
	tortureStrength = 4
	// tortureLimit is how long a process may take for what needs seconds on a
	// machine with nothing else to do.
	tortureLimit = 2 * time.Minute
)

// Processes that do all that can be done with a cache are killed at random
// points. After each kill a fresh process, among the others that go on, finds
// no bad file, pulls every chart right, and has all that was pinned. In the end
// one collection leaves nothing that nobody needs.
func TestTorture(t *testing.T) { torture(t, *tortureKills, false) }

// The same where somebody spoils, removes and replaces files all the time.
// What was pinned may be lost then; what the registry has is served right.
func TestTortureSpoiled(t *testing.T) { torture(t, *tortureKills/5, true) }

func torture(t *testing.T, kills int, spoiled bool) {
	t.Parallel()
	seed := *tortureSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	if testing.Short() {
		kills = min(kills, 5)
	}
	t.Logf("%d kills; to draw the same lots: -torture-seed %d", kills, seed)

	server, order := tortureGround(t)
	order.Seed, order.Spoiled = seed, spoiled
	fleet := newTortureFleet(t, order)
	lots := rand.New(rand.NewPCG(seed, 0))
	var slowest time.Duration
	for n := 1; n <= kills && !t.Failed(); n++ {
		if lots.IntN(4) == 0 {
			fleet.sink()
			tortureAge(order.Dir, lots)
		}
		fleet.fill(lots)
		victim := fleet.victim(lots)
		if victim == nil {
			break // one ended by itself, which it has been blamed for
		}
		hung := lots.IntN(6) == 0 && victim.hang()
		if !hung {
			victim.kill()
		}
		start := time.Now()
		if !fleet.check() {
			t.Errorf("after kill %d, of a %s", n, victim.order.Part)
		}
		slowest = max(slowest, time.Since(start))
		if hung {
			victim.kill()
		}
	}
	fleet.end()
	t.Logf("killed %v; a fresh process needed %s at most; %d files were left half done",
		fleet.killed, slowest.Round(time.Millisecond), tortureLitter(order.Dir))
	if t.Failed() {
		return
	}
	fleet.check()
	tortureFinish(t, order)
	t.Logf("registry: %d requests", len(server.Requests()))
}

// tortureGround is a registry with charts, an empty cache, and what processes
// are told of both.
func tortureGround(t *testing.T) (*registrytest.Server, tortureOrder) {
	f, charts := tortureCharts()
	server, repo, ref := stocked(t, f)
	tortureRefer(t, repo, charts)
	// Content is on its way for long enough to be killed on it.
	server.SetFaults(&registrytest.Faults{Match: registrytest.Blobs, BytesPerSecond: 32 << 20})
	base := t.ArtifactDir() // -artifacts keeps it
	order := tortureOrder{
		Dir: filepath.Join(base, "cache"), Scratch: filepath.Join(base, "scratch"),
		Journal: filepath.Join(base, "journal"), Repository: ref.Repo().String(), Stock: charts,
	}
	if err := os.MkdirAll(order.Scratch, 0o700); err != nil {
		t.Fatal(err)
	}
	torturePackTars(t, order)
	return server, order
}

// tortureAge makes much of what is there look as if nobody had touched it for
// days, so that collectors have work, and some as if it were to come. Nobody
// may be at work: what was just used is not old.
func tortureAge(dir string, lots *rand.Rand) {
	const day = 24 * time.Hour
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // whoever spoils files makes such, too
		}
		switch lots.IntN(8) {
		case 0, 1, 2, 3:
			os.Chtimes(path, time.Time{}, time.Now().Add(-3*day))
		case 4:
			os.Chtimes(path, time.Time{}, time.Now().Add(3*day))
		}
		return nil
	})
}

// tortureLitter counts what killed processes left behind.
func tortureLitter(dir string) (n int) {
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (filepath.Base(filepath.Dir(path)) == "ingest" || d.Name()[0] == '.') {
			n++
		}
		return nil
	})
	return n
}
