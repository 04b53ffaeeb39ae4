package e2e_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestProcessesShareACache lets eight processes at a time pull the same chart
// and different ones into one cache: all bytes are right, and no half of a
// download stays.
func TestProcessesShareACache(t *testing.T) {
	t.Parallel()
	const processes = 8
	reg := startRegistry(t, registryOptions{})
	publisher := newUser(t)
	var list []chartFile
	for i := range processes {
		c := bigChart(t, fmt.Sprintf("cargo-%d", i), 4<<20)
		publisher.json("push", c.path, reg.ref("team/%s:%s", c.name, c.version))
		list = append(list, c)
	}
	for name, pick := range map[string]func(int) chartFile{
		"same":      func(int) chartFile { return list[0] },
		"different": func(i int) chartFile { return list[i] },
		"mixed":     func(i int) chartFile { return list[i%3] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			for round := range 2 {
				pullTogether(t, u, reg, processes, round, pick)
			}
			if left := listFiles(t, filepath.Join(u.cache(), "ingest")); len(left) > 0 {
				t.Errorf("left in ingest: %q", left)
			}
			checkBlobs(t, u.cache())
		})
	}
}

func pullTogether(t *testing.T, u *user, reg *registryServer, processes, round int, pick func(int) chartFile) {
	t.Helper()
	var wg sync.WaitGroup
	results := make([]result, processes)
	dest := func(i int) string { return u.dir("got", fmt.Sprintf("%d-%d", round, i)) }
	bin, err := portolan()
	if err != nil {
		t.Fatal(err)
	}
	for i := range processes {
		wg.Go(func() {
			c := pick(i)
			results[i] = u.start("", bin, "pull", reg.ref("team/%s:%s", c.name, c.version), "-d", dest(i))
		})
	}
	wg.Wait()
	for i, r := range results {
		r.ok(t)
		c := pick(i)
		if !bytes.Equal(readFile(t, filepath.Join(dest(i), filepath.Base(c.path))), c.data) {
			t.Errorf("%s: other bytes", r.line)
		}
	}
}

// checkBlobs hashes what the cache holds: each file is what its name says.
func checkBlobs(t *testing.T, cache string) {
	t.Helper()
	dir := filepath.Join(cache, "blobs", "sha256")
	blobs := listFiles(t, dir)
	if len(blobs) == 0 {
		t.Errorf("the cache %s is empty", cache)
	}
	for _, name := range blobs {
		if sum(readFile(t, filepath.Join(dir, name))) != strings.TrimPrefix(name, "sha256-") {
			t.Errorf("blob %s is not what its name says", name)
		}
	}
}
