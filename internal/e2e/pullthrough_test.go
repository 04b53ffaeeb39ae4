package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// throughFleet is a registry that holds a chart, and a pull-through cache of
// it, which asks it directly.
type throughFleet struct {
	origin, mirror *throughFront
	chart          chartFile
	pushed         outcome
}

func newThroughFleet(t *testing.T, size int) *throughFleet {
	t.Helper()
	origin := startRegistry(t, registryOptions{})
	mirror := startRegistry(t, registryOptions{upstream: "http://" + origin.host})
	f := &throughFleet{origin: startThroughFront(t, origin), mirror: startThroughFront(t, mirror), chart: bigChart(t, "cargo", size)}
	f.pushed = newUser(t).json("push", f.chart.path, f.origin.host+"/team/cargo:1.0.0")
	f.origin.reset()
	return f
}

func (f *throughFleet) tag() string    { return f.origin.host + "/team/cargo:1.0.0" }
func (f *throughFleet) digest() string { return f.origin.host + "/team/cargo@" + f.pushed.Digest }

// layer is the digest of the archive.
func (f *throughFleet) layer() string { return "sha256:" + sum(f.chart.data) }

// ways tell portolan of the mirror: by flag, by podman's file, by containerd's.
// Only podman's lets mirrors say what tags name.
func (f *throughFleet) ways(t *testing.T) map[string][]string {
	t.Helper()
	dir := t.TempDir()
	conf := hostsWrite(t, fmt.Sprintf("[[registry]]\nlocation = %q\n[[registry.mirror]]\nlocation = %q\n", f.origin.host, f.mirror.host), dir, "registries.conf")
	hostsWrite(t, fmt.Sprintf("server = %q\n[host.%q]\ncapabilities = ['pull']\n", "http://"+f.origin.host, "http://"+f.mirror.host),
		dir, "hosts", f.origin.host, "hosts.toml")
	return map[string][]string{
		"flag":            {"--mirror", f.mirror.host},
		"registries.conf": {"--registries-conf", conf},
		"hosts.toml":      {"--hosts-dir", filepath.Join(dir, "hosts")},
	}
}

type throughOutcome struct{ Mirror, TagMirror, Path string }

// pull pulls as a user who has nothing yet, and compares what comes.
func (f *throughFleet) pull(t *testing.T, ref string, args ...string) throughOutcome {
	t.Helper()
	u := newUser(t)
	stdout := u.portolan(append([]string{"pull", ref, "-o", "json"}, args...)...).ok(t)
	var got throughOutcome
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readFile(t, got.Path), f.chart.data) {
		t.Error("other bytes came")
	}
	return got
}

// stored waits until the mirror has kept what it handed out, which it may do
// afterwards.
func (f *throughFleet) stored(t *testing.T) {
	t.Helper()
	below := filepath.Join(f.mirror.registry.root, "docker", "registry", "v2", "repositories", "team", "cargo")
	hex := func(digest string) string { return strings.TrimPrefix(digest, "sha256:") }
	for _, name := range []string{
		filepath.Join(below, "_layers", "sha256", hex(f.layer())),
		filepath.Join(below, "_manifests", "revisions", "sha256", hex(f.pushed.Digest)),
	} {
		for limit := time.Now().Add(15 * time.Second); !slices.Contains(listFiles(t, name), "link"); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("the mirror has not kept %s", name)
			}
		}
	}
}

// TestPullThrough pulls through a cache of a registry: the content comes from
// there, and still comes when the registry is gone.
func TestPullThrough(t *testing.T) {
	t.Parallel()
	f := newThroughFleet(t, 2<<20)
	for name, flags := range f.ways(t) {
		f.origin.reset()
		f.mirror.reset()
		got := f.pull(t, f.tag(), flags...)
		origin, mirror := f.origin.reset(), f.mirror.reset()
		if _, n := throughBlobs(mirror); n != int64(len(f.chart.data)) || got.Mirror != f.mirror.host {
			t.Errorf("%s: the mirror has sent %d bytes, want %d; the result: %+v", name, n, len(f.chart.data), got)
		}
		if blobs, _ := throughBlobs(origin); len(blobs) > 0 {
			t.Errorf("%s: the origin was asked for %d blobs", name, len(blobs))
		}
		byMirror := name == "registries.conf"
		if (throughTags(origin) == 0) != byMirror || (throughTags(mirror) > 0) != byMirror || (got.TagMirror != "") != byMirror {
			t.Errorf("%s: the origin was asked for %d tags, the mirror for %d; the result: %+v", name, throughTags(origin), throughTags(mirror), got)
		}
		f.pull(t, f.digest(), flags...)
		if requests := f.origin.reset(); len(requests) > 0 {
			t.Errorf("%s: by digest the origin was asked %d times", name, len(requests))
		}
	}
	f.stored(t)
	f.origin.die()
	for name, flags := range f.ways(t) {
		if got := f.pull(t, f.digest(), flags...); got.Mirror != f.mirror.host {
			t.Errorf("%s: without the origin: %+v", name, got)
		}
		if name == "registries.conf" { // what the mirror last knew, and said so
			if got := f.pull(t, f.tag(), flags...); got.TagMirror != f.mirror.host {
				t.Errorf("%s: a tag without the origin: %+v", name, got)
			}
			continue
		}
		newUser(t).portolan(append([]string{"pull", f.tag(), "--timeout", "15s"}, flags...)...).fails(t, exitUnreachable, f.origin.host)
	}
}

// TestMirrorDiesWithinAPull kills the cache while it sends the archive: the
// origin sends the rest, and nothing comes twice.
func TestMirrorDiesWithinAPull(t *testing.T) {
	t.Parallel()
	const passed = 3<<20 + 12345
	for _, warm := range []bool{false, true} {
		t.Run(fmt.Sprintf("warm %v", warm), func(t *testing.T) {
			t.Parallel()
			f := newThroughFleet(t, 5<<20)
			if warm {
				f.pull(t, f.digest(), "--mirror", f.mirror.host)
				f.stored(t)
			}
			f.origin.reset()
			f.mirror.reset()
			f.mirror.dieAt(passed)
			f.pull(t, f.tag(), "--mirror", f.mirror.host, "--timeout", "60s")

			if blobs, n := throughBlobs(f.mirror.reset()); len(blobs) != 1 || n != passed {
				t.Errorf("the mirror has sent %d bytes of %d blobs, want %d of 1", n, len(blobs), passed)
			}
			blobs, n := throughBlobs(f.origin.reset())
			if len(blobs) != 1 || n != int64(len(f.chart.data))-passed {
				t.Fatalf("the origin has sent %d bytes of %d blobs, want %d of 1", n, len(blobs), len(f.chart.data)-passed)
			}
			if b := blobs[0]; b.status != http.StatusPartialContent || b.ranges != fmt.Sprintf("bytes=%d-", passed) {
				t.Errorf("the origin was asked for %q and answered %d", b.ranges, b.status)
			}
		})
	}
}
