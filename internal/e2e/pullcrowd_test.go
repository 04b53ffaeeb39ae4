package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/slowlink"
	"github.com/portolan-oci/portolan/registry"
)

// The link is the narrow place: 20 MB take two seconds, for one as for eighty.
// How much longer the slowest of eighty takes on two processors that do other
// work as well is held loosely; cmd/crowd in internal/bench measures it.
const (
	pullCrowdBytes = 20_000_000
	pullCrowdRate  = 10_000_000 // a second
)

var pullCrowdRatio = flag.Float64("crowd-ratio", 5, "how many times as long as a single pull the slowest of a crowd may take")

// TestPullCrowd lets 16 programs and 64 goroutines of one more ask for the same
// cold chart at once, through one cache: the registry is asked for the archive
// once, and everybody has the right bytes about when one alone would.
func TestPullCrowd(t *testing.T) {
	reg := startRegistry(t, registryOptions{})
	front := startThroughFront(t, reg)
	link, err := slowlink.New(front.host, pullCrowdRate)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	u := newUser(t)
	c := pullCrowdChart(t, u)
	u.json("push", c.path, reg.ref("team/%s:%s", c.name, c.version))
	ref := fmt.Sprintf("%s/team/%s:%s", link.Host(), c.name, c.version)
	bin := mustPortolan(t)
	pull := func(to string, args ...string) error {
		r := u.start("", bin, append([]string{"pull", ref, "-d", u.dir(to)}, args...)...)
		if r.code != 0 {
			return errors.New(r.stderr)
		}
		if !bytes.Equal(readFile(t, u.path(to, filepath.Base(c.path))), c.data) {
			return errors.New("other bytes")
		}
		return nil
	}

	front.reset()
	begin := time.Now()
	if err := pull("alone", "--cache", u.path("cache-alone")); err != nil {
		t.Fatal(err)
	}
	alone := time.Since(begin)
	pullCrowdCheck(t, "alone", front)

	client := pullCrowdClient(t, u)
	errs := make(chan error, 80)
	var all sync.WaitGroup
	begin = time.Now()
	for i := range 16 {
		all.Go(func() { errs <- pull(fmt.Sprint("got-", i)) })
	}
	var open sync.Map
	for i := range 64 {
		all.Go(func() {
			pulled, err := pullCrowdOpen(t.Context(), client, ref)
			open.Store(i, pulled)
			errs <- err
		})
	}
	all.Wait()
	slowest := time.Since(begin)
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	open.Range(func(_, v any) bool {
		pulled := v.(*chart.Pulled)
		if pulled == nil {
			return true
		}
		defer pulled.Close()
		if got, err := io.ReadAll(pulled.Archive.Reader()); err != nil || !bytes.Equal(got, c.data) {
			t.Errorf("%d other bytes, %v", len(got), err)
		}
		return true
	})
	pullCrowdCheck(t, "the crowd", front)
	u.leavesNothing()
	checkBlobs(t, u.cache())
	ratio := float64(slowest) / float64(alone)
	t.Logf("alone %s, the slowest of 80 %s: ×%.2f", alone, slowest, ratio)
	if ratio > *pullCrowdRatio {
		t.Errorf("the slowest of 80 has taken %.2f times as long as one alone, want at most %.2f", ratio, *pullCrowdRatio)
	}
}

// pullCrowdCheck wants one GET of one blob, of all its bytes.
func pullCrowdCheck(t *testing.T, who string, front *throughFront) {
	t.Helper()
	requests := front.reset()
	blobs, sent := throughBlobs(requests)
	if len(blobs) != 1 || sent < pullCrowdBytes {
		t.Errorf("%s: %d GETs of blobs with %d bytes in all, want one", who, len(blobs), sent)
	}
	if whole := slices.ContainsFunc(blobs, func(r *throughRequest) bool { return r.ranges == "" }); len(blobs) > 0 && !whole {
		t.Errorf("%s: only parts of the blob were asked for", who)
	}
}

// pullCrowdChart packs some files that do not compress, each of a size that
// everybody accepts.
func pullCrowdChart(t *testing.T, u *user) chartFile {
	t.Helper()
	dir := chartDir(t, t.TempDir(), "cargo", "1.0.0")
	noise := rand.NewChaCha8([32]byte{7})
	const files = 5
	for i := range files {
		data := make([]byte, pullCrowdBytes/files)
		noise.Read(data)
		writeFile(t, filepath.Join(dir, fmt.Sprintf("hold-%d.bin", i)), data)
	}
	return packed(t, u, dir)
}

func pullCrowdClient(t *testing.T, u *user) *chart.Client {
	t.Helper()
	registries, err := registry.NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	store, err := cache.Open(u.cache(), nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: registries, Cache: store})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func pullCrowdOpen(ctx context.Context, client *chart.Client, name string) (*chart.Pulled, error) {
	ref, err := registry.ParseReference(name)
	if err != nil {
		return nil, err
	}
	return client.Pull(ctx, ref, chart.PullOptions{})
}
