package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// offlineWire is the way to a registry, which a test cuts.
type offlineWire struct {
	host     string
	listener net.Listener

	mu     sync.Mutex
	hangs  bool
	passed int // connections
	open   map[net.Conn]bool
}

func startOfflineWire(t testing.TB, reg *registryServer) *offlineWire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &offlineWire{host: l.Addr().String(), listener: l, open: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { w.carry(conn, reg.host) })
		}
	})
	t.Cleanup(func() {
		w.refuse()
		running.Wait()
	})
	return w
}

// carry moves bytes both ways until one side ends, or none at all.
func (w *offlineWire) carry(conn net.Conn, to string) {
	defer conn.Close()
	there, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer there.Close()
	w.mu.Lock()
	hangs := w.hangs
	w.passed++
	w.open[conn], w.open[there] = true, true
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.open, conn)
		delete(w.open, there)
	}()
	var both sync.WaitGroup
	both.Go(func() {
		defer there.Close()
		if hangs {
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		_, _ = io.Copy(there, conn)
	})
	both.Go(func() {
		defer conn.Close()
		_, _ = io.Copy(conn, there)
	})
	both.Wait()
}

// hang lets the other side accept connections, and answer nothing from now on.
func (w *offlineWire) hang() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hangs = true
	for c := range w.open {
		c.Close()
	}
}

// refuse lets nobody listen there.
func (w *offlineWire) refuse() {
	w.listener.Close()
	w.hang()
}

// connections tells how many there were since it was last asked.
func (w *offlineWire) connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.passed
	w.passed = 0
	return n
}

// offlineOutcome is what pull and resolve print with -o json.
type offlineOutcome struct {
	Reference, Digest, Path, Tag, Origin string
	Confirmed                            time.Time
	Moved                                *struct {
		Reference, Old, New string
		Confirmed           time.Time
	}
}

func (u *user) offlineJSON(t testing.TB, args ...string) offlineOutcome {
	t.Helper()
	stdout := u.portolan(append(args, "-o", "json")...).ok(t)
	var out offlineOutcome
	if err := json.Unmarshal([]byte(stdout), &out); err != nil {
		t.Fatalf("portolan %s: %v in\n%s", strings.Join(args, " "), err, stdout)
	}
	return out
}

// offlineFleet is a user who has pulled every chart while the registry was
// there, and has charts that depend on all of them and on a few.
type offlineFleet struct {
	*user
	wire     *offlineWire
	charts   []chartFile
	all, few *offlineParent
	digests  map[string]string
	seen     time.Time // since when the registry may have confirmed it
}

// offlineParent is a chart with dependencies, and what they were.
type offlineParent struct {
	dir      string
	vendored map[string]string
}

// fewCharts are as many as may wait for a registry that hangs.
const fewCharts = 6

func (f *offlineFleet) ref(c chartFile) string {
	return fmt.Sprintf("%s/corpus/%s:%s", f.wire.host, c.name, c.tag())
}

func newOfflineFleet(t *testing.T, all []chartFile) *offlineFleet {
	t.Helper()
	reg := startRegistry(t, registryOptions{})
	publisher := newUser(t)
	f := &offlineFleet{user: newUser(t), wire: startOfflineWire(t, reg), charts: all, digests: map[string]string{}, seen: time.Now()}
	dependencies := []string{"dependencies:\n"}
	for i, c := range all {
		publisher.json("push", c.path, reg.ref("corpus/%s", c.name))
		pulled := f.json("pull", f.ref(c), "-d", f.dir("first"))
		f.digests[c.name] = pulled.Digest
		f.portolan("versions", f.wire.host+"/corpus/"+c.name).ok(t)
		version := c.version
		if i%2 == 1 {
			version = ">=0.0.0" // chosen from the list
		}
		dependencies = append(dependencies, fmt.Sprintf("- name: %s\n  version: %q\n  repository: oci://%s/corpus\n  condition: %s.enabled\n", c.name, version, f.wire.host, c.name))
	}
	parent := func(dependencies []string) *offlineParent {
		u := newUser(t)
		p := &offlineParent{dir: flagship(t, u, strings.Join(dependencies, ""))}
		f.portolan("dependency", "update", p.dir).ok(t)
		p.vendored = vendored(t, p.dir)
		return p
	}
	f.all, f.few = parent(dependencies), parent(dependencies[:min(1+fewCharts, len(dependencies))])
	return f
}

// look runs every command that reads on each of the charts, many at a time:
// they wait more than they work.
func (f *offlineFleet) look(t *testing.T, charts []chartFile, origin, name string, mode ...string) {
	t.Helper()
	if _, err := portolan(); err != nil { // built here, where it may fail
		t.Fatal(err)
	}
	type looks struct{ pull, resolve, versions, show, want result }
	all := make([]looks, len(charts))
	var running sync.WaitGroup
	turns := make(chan bool, 24)
	run := func(to *result, args ...string) {
		running.Go(func() {
			turns <- true
			*to = f.portolan(args...)
			<-turns
		})
	}
	for i, c := range charts {
		repository := f.wire.host + "/corpus/" + c.name
		with := func(args ...string) []string { return append(args, mode...) }
		run(&all[i].pull, with("pull", f.ref(c), "-d", f.dir(name, c.name), "-o", "json")...)
		run(&all[i].resolve, with("resolve", repository, "--version", ">=0.0.0-0", "-o", "json")...)
		run(&all[i].versions, with("versions", repository, "--devel")...)
		run(&all[i].show, with("show", "all", f.ref(c))...)
		run(&all[i].want, "show", "all", c.path)
	}
	running.Wait()
	for i, c := range charts {
		got := all[i]
		for _, r := range []result{got.pull, got.resolve} {
			var out offlineOutcome
			if err := json.Unmarshal([]byte(r.ok(t)), &out); err != nil {
				t.Fatalf("%s: %v", r.line, err)
			}
			if out.Digest != f.digests[c.name] || out.Origin != origin {
				t.Errorf("%s: %s from %q, want %s from %q", r.line, out.Digest, out.Origin, f.digests[c.name], origin)
			}
			if out.Confirmed.Before(f.seen.Add(-time.Second)) || out.Confirmed.After(time.Now()) {
				t.Errorf("%s: confirmed %s", r.line, out.Confirmed)
			}
			if out.Path != "" && !bytes.Equal(readFile(t, out.Path), c.data) {
				t.Errorf("%s: other bytes", r.line)
			}
		}
		if versions := got.versions.ok(t); versions != c.version+"\n" {
			t.Errorf("%s: %q, want %s", got.versions.line, versions, c.version)
		}
		if got.show.ok(t) != got.want.ok(t) {
			t.Errorf("%s: differs from that of the file", got.show.line)
		}
	}
}

// depend builds and updates a chart with dependencies.
func (f *offlineFleet) depend(t *testing.T, p *offlineParent, origin string, mode ...string) {
	t.Helper()
	for _, verb := range []string{"build", "update"} {
		if err := os.RemoveAll(filepath.Join(p.dir, "charts")); err != nil {
			t.Fatal(err)
		}
		var out struct{ Dependencies []offlineOutcome }
		stdout := f.portolan(append([]string{"dependency", verb, p.dir, "-o", "json"}, mode...)...).ok(t)
		if err := json.Unmarshal([]byte(stdout), &out); err != nil {
			t.Fatal(err)
		}
		for _, d := range out.Dependencies {
			if d.Origin != origin || d.Digest == "" {
				t.Errorf("dependency %s: %+v, want it from %q", verb, d, origin)
			}
		}
		if len(out.Dependencies) != len(p.vendored)-1 { // and the lock
			t.Errorf("dependency %s: %s", verb, stdout)
		}
		sameFiles(t, "dependency "+verb+" "+strings.Join(mode, " "), vendored(t, p.dir), p.vendored)
	}
}

// TestOffline pulls every chart, cuts the network in two ways, and works on.
func TestOffline(t *testing.T) {
	t.Parallel()
	all := charts(t)
	ways := []struct {
		name string
		cut  func(*offlineWire)
	}{{"hangs", (*offlineWire).hang}, {"refuses", (*offlineWire).refuse}}
	f := newOfflineFleet(t, all)
	for _, way := range ways {
		way.cut(f.wire)
		t.Run(way.name+", offline", func(t *testing.T) {
			f.wire.connections()
			f.look(t, f.charts, "cache", "offline", "--offline")
			f.depend(t, f.all, "cache", "--offline")
			if n := f.wire.connections(); n > 0 {
				t.Errorf("%d connections were made offline", n)
			}
		})
		t.Run(way.name+", stale", func(t *testing.T) {
			some, parent := f.charts, f.all
			if way.name == "hangs" { // each answer is waited for
				some, parent = some[:min(fewCharts, len(some))], f.few
			}
			f.look(t, some, "stale", "stale", "--stale-if-error", "1h")
			f.depend(t, parent, "stale", "--stale-if-error", "1h")
		})
		// Neither is what happens unasked.
		f.portolan("pull", f.ref(f.charts[0]), "--timeout", "2s").fails(t, exitUnreachable)
		f.portolan("pull", f.ref(f.charts[0]), "--stale-if-error", "1ns", "--timeout", "2s").fails(t, exitUnreachable)
	}
	t.Run("helm template", func(t *testing.T) {
		var without []string // those that want values
		for _, c := range f.charts {
			if !f.renders(t, c, f.path("offline", c.name, filepath.Base(c.path))) {
				without = append(without, c.name+".enabled=false")
			}
		}
		set := append([]string{"--set"}, strings.Join(without, ","))
		if len(without) == 0 {
			set = nil
		}
		for name, helm := range helms {
			out := newUser(t).run(helm, append([]string{"template", "anchor", f.all.dir, "--kube-version", kubeVersion}, set...)...)
			if n := strings.Count(out, "# Source: flagship/charts/"); n < len(f.charts)-len(without) {
				t.Errorf("%s renders %d files of the dependencies", name, n)
			}
		}
	})
}

// kubeVersion is one that the charts of the corpus are made for.
const kubeVersion = "1.33.0"

// renders lets both Helms make manifests of what came out of the cache, and
// tells whether they do so without values of the user's. What they refuse of
// the chart itself they may refuse.
func (f *offlineFleet) renders(t *testing.T, c chartFile, path string) bool {
	t.Helper()
	all := true
	for name, helm := range helms {
		template := func(path string) result {
			return newUser(t).start("", helm.binary(t), "template", "anchor", path, "--kube-version", kubeVersion)
		}
		got := template(path)
		if got.code != 0 && template(c.path).code != 0 {
			t.Logf("%s: %s wants values: %s", name, c.name, got.stderr)
			all = false
		} else if !strings.Contains(got.ok(t), "kind:") {
			t.Errorf("%s renders nothing of %s", name, c.name)
		}
	}
	return all
}

// TestOfflineMissing: what is not there is named in full, and what is there is
// not lost for it.
func TestOfflineMissing(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	publisher := newUser(t)
	dependencies := "dependencies:\n"
	digests := map[string]string{}
	var names []string
	for i := range 24 {
		name := fmt.Sprintf("hull-%02d", i)
		names = append(names, name)
		c := packed(t, publisher, chartDir(t, t.TempDir(), name, "1.0.0"))
		digests[name] = publisher.json("push", c.path, reg.ref("team/%s", name)).Digest
		dependencies += fmt.Sprintf("- name: %s\n  version: %q\n  repository: oci://%s/team\n", name, []string{"1.0.0", "^1"}[i%2], reg.host)
	}
	dir := flagship(t, publisher, dependencies)
	publisher.portolan("dependency", "update", dir).ok(t)

	u := newUser(t)
	u.json("pull", reg.ref("team/hull-03:1.0.0"))
	reg.kill()
	missing := slices.DeleteFunc(names, func(n string) bool { return n == "hull-03" })
	build := u.portolan("dependency", "build", dir, "--offline")
	build.fails(t, exitNotFound, append([]string{"23 of 24", "offline"}, missing...)...)
	for _, name := range missing {
		if !strings.Contains(build.stderr, digests[name]) {
			t.Errorf("%s is missing, and its digest %s is not named", name, digests[name])
		}
	}
	if strings.Contains(build.stderr, "hull-03") {
		t.Errorf("hull-03 is here, and named: %s", build.stderr)
	}
	u.portolan("dependency", "update", dir, "--offline").fails(t, exitNotFound, append([]string{"23 of 24"}, missing...)...)

	blobs := filepath.Join(u.cache(), "blobs", "sha256")
	ref, manifest := reg.ref("team/hull-03:1.0.0"), strings.TrimPrefix(digests["hull-03"], "sha256:")
	archive := slices.DeleteFunc(listFiles(t, blobs), func(name string) bool { return name == manifest })
	if len(archive) != 1 {
		t.Fatalf("a pull has kept %q beside the manifest", archive)
	}
	if err := os.Remove(filepath.Join(blobs, archive[0])); err != nil {
		t.Fatal(err)
	}
	u.portolan("pull", ref, "--offline").fails(t, exitNotFound, ref+"@sha256:"+manifest, "archive sha256:"+archive[0])
	u.portolan("show", "chart", ref, "--offline").fails(t, exitNotFound, ref+"@sha256:"+manifest, "archive sha256:"+archive[0])
	if err := os.Remove(filepath.Join(blobs, manifest)); err != nil {
		t.Fatal(err)
	}
	u.portolan("pull", ref, "--offline").fails(t, exitNotFound, ref, "manifest sha256:"+manifest)
	u.portolan("pull", reg.ref("team/hull-04:1.0.0"), "--offline").fails(t, exitNotFound, "team/hull-04:1.0.0", "cache", "offline")
	u.portolan("versions", reg.ref("team/hull-04"), "--offline").fails(t, exitNotFound, "team/hull-04", "cache", "offline")
}

// TestMovedVersion: a version that was pushed again is noted, told, or refused.
func TestMovedVersion(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	publisher := newUser(t)
	ref := reg.ref("team/harbour:1.0.0")
	dir := chartDir(t, t.TempDir(), "harbour", "1.0.0")
	old := publisher.json("push", dir, ref, "--force").Digest
	users := map[string]*user{}
	for _, mode := range []string{"", "note", "warn", "refuse"} {
		users[mode] = newUser(t)
		if out := users[mode].offlineJSON(t, "pull", ref); out.Moved != nil || out.Confirmed.IsZero() {
			t.Errorf("nothing has moved yet: %+v", out)
		}
	}
	writeFile(t, filepath.Join(dir, "values.yaml"), []byte("replicas: 2\n"))
	now := publisher.json("push", dir, ref, "--force").Digest
	for mode, u := range users {
		args := []string{"resolve", ref, "-o", "json"}
		if mode != "" {
			args = append(args, "--moved", mode)
		}
		got := u.portolan(args...)
		if mode == "refuse" {
			got.fails(t, exitConflict, old, now, "by its digest")
			u.portolan("pull", ref, "--moved", "refuse").fails(t, exitConflict, old, now)
			u.json("pull", ref+"@"+now, "--moved", "refuse")
			continue
		}
		var out offlineOutcome
		if err := json.Unmarshal([]byte(got.ok(t)), &out); err != nil {
			t.Fatal(err)
		}
		if m := out.Moved; m == nil || m.Reference != ref || m.Old != old || m.New != now || m.Confirmed.IsZero() || out.Origin != "network" {
			t.Errorf("--moved %q: %s", mode, got.stdout)
		}
		if warned := strings.Contains(got.stderr, old) && strings.Contains(got.stderr, now); warned != (mode != "note") {
			t.Errorf("--moved %q: standard error %q", mode, got.stderr)
		}
	}
	newUser(t).portolan("pull", ref, "--moved", "ignore").fails(t, exitUsage, "--moved", "refuse")
	newUser(t).portolan("pull", ref, "--stale-if-error", "-1s").fails(t, exitUsage, "--stale-if-error")
}
