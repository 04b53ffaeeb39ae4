package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// meter is a proxy before a registry that counts what passes.
type meter struct {
	host string

	mu       sync.Mutex
	requests []string // "METHOD path"
	bodies   int64    // bytes of answers, those of errors aside
}

// startMeter adds latency to each request, as a registry that is not on the
// same machine has it.
func startMeter(t testing.TB, reg *registryServer, latency time.Duration) *meter {
	t.Helper()
	m := &meter{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: reg.scheme, Host: reg.host})
	proxy.ModifyResponse = func(r *http.Response) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.requests = append(m.requests, r.Request.Method+" "+r.Request.URL.Path)
		if r.Request.Method == http.MethodGet {
			m.bodies += max(r.ContentLength, 0)
		}
		return nil
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(latency)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	m.host = strings.TrimPrefix(server.URL, "http://")
	return m
}

// reset returns what has passed since the last one.
func (m *meter) reset() (requests []string, bodies int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	requests, bodies = m.requests, m.bodies
	m.requests, m.bodies = nil, 0
	return requests, bodies
}

// fleet pushes eight charts in several versions and returns what declares them,
// the ninth being the first under an alias.
func fleet(t *testing.T, reg *registryServer, host string) string {
	t.Helper()
	u := newUser(t)
	versions := [][]string{
		{"1.0.0", "1.2.0", "1.10.0", "2.0.0"}, {"0.3.0", "0.3.9", "0.4.0"}, {"1.0.0", "1.1.0-rc.1"}, {"2.0.0", "2.1.0-beta.2"},
		{"1.0.0", "1.0.1+build.7"}, {"3.0.0", "3.1.0"}, {"5.0.0"}, {"0.9.0", "1.0.0", "1.0.5"},
	}
	ranges := []string{"^1.0.0", "~0.3", "1.x", ">=2.0.0-0", "~1.0.0", "3.0.0", "*", ">=0.9, <1.0.5"}
	text := "dependencies:\n"
	for i, list := range versions {
		name := fmt.Sprintf("vessel-%d", i)
		for _, v := range list {
			c := packed(t, u, chartDir(t, t.TempDir(), name, v))
			u.json("push", c.path, reg.ref("team/%s", name))
		}
		text += fmt.Sprintf("- name: %s\n  version: %q\n  repository: oci://%s/team\n  condition: %s.enabled\n  tags: [a, b]\n", name, ranges[i], host, name)
	}
	return text + fmt.Sprintf("- name: vessel-0\n  alias: spare\n  version: \">1.0.0, <2\"\n  repository: oci://%s/team\n  import-values: [data, {child: x, parent: y}]\n", host)
}

// flagship makes a chart with dependencies in the user's work directory.
func flagship(t *testing.T, u *user, dependencies string) string {
	t.Helper()
	dir := chartDir(t, u.dir("work"), "flagship", "1.0.0")
	file := filepath.Join(dir, "Chart.yaml")
	writeFile(t, file, append(readFile(t, file), dependencies...))
	return dir
}

var generated = regexp.MustCompile(`(?m)^generated: .*$`)

// vendored is charts/ and the lock, without its time.
func vendored(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{"Chart.lock": generated.ReplaceAllString(string(readFile(t, filepath.Join(dir, "Chart.lock"))), "")}
	for _, name := range listFiles(t, filepath.Join(dir, "charts")) {
		all[name] = string(readFile(t, filepath.Join(dir, "charts", name)))
	}
	return all
}

func sameFiles(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: %s differs\n got %.400q\nwant %.400q", what, name, got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s is one too many", what, name)
		}
	}
}

// TestDependencyUpdate builds the same charts/ and Chart.lock as both Helms,
// with fewer requests and in less time.
func TestDependencyUpdate(t *testing.T) {
	reg := startRegistry(t, registryOptions{})
	m := startMeter(t, reg, 10*time.Millisecond)
	dependencies := fleet(t, reg, m.host)
	type run struct {
		took     []time.Duration
		requests int
	}
	runs := map[string]*run{"portolan": {}, "helm3": {}, "helm4": {}}
	for range 3 {
		results := map[string]map[string]string{}
		for name, r := range runs {
			u := newUser(t) // with nothing in any cache
			dir := flagship(t, u, dependencies)
			m.reset()
			begin := time.Now()
			if name == "portolan" {
				u.portolan("dependency", "update", dir).ok(t)
			} else {
				u.run(helms[name], "dependency", "update", dir, "--plain-http")
			}
			r.took = append(r.took, time.Since(begin))
			requests, _ := m.reset()
			r.requests = len(requests)
			results[name] = vendored(t, dir)
		}
		if len(results["portolan"]) != 9 {
			t.Errorf("the lock and %d archives, want 8", len(results["portolan"])-1)
		}
		sameFiles(t, "against helm 3", results["portolan"], results["helm3"])
		sameFiles(t, "against helm 4", results["portolan"], results["helm4"])
	}
	median := func(name string) time.Duration { return slices.Sorted(slices.Values(runs[name].took))[1] }
	ours := runs["portolan"]
	for _, helm := range []string{"helm3", "helm4"} {
		theirs := runs[helm]
		t.Logf("%s: %d requests in %v; portolan: %d in %v: %.2f of the requests, %.2f of the time", helm, theirs.requests, median(helm),
			ours.requests, median("portolan"), float64(ours.requests)/float64(theirs.requests), median("portolan").Seconds()/median(helm).Seconds())
		if ours.requests >= theirs.requests || median("portolan") >= median(helm) {
			t.Errorf("%s makes %d requests in %v, portolan %d in %v", helm, theirs.requests, median(helm), ours.requests, median("portolan"))
		}
	}
}

// TestDependencyBuild takes locks to and from Helm, and pins what they name.
func TestDependencyBuild(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	m := startMeter(t, reg, 0)
	dependencies := fleet(t, reg, m.host)
	u := newUser(t)
	dir := flagship(t, u, dependencies)
	u.portolan("dependency", "update", dir).ok(t)
	want := vendored(t, dir)
	clear := func() {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(dir, "charts")); err != nil {
			t.Fatal(err)
		}
	}

	for name, helm := range helms {
		clear()
		newUser(t).run(helm, "dependency", "build", dir, "--plain-http")
		sameFiles(t, name+" builds from our lock", vendored(t, dir), want)

		v := newUser(t)
		theirs := flagship(t, v, dependencies)
		v.run(helm, "dependency", "update", theirs, "--plain-http")
		if err := os.RemoveAll(filepath.Join(theirs, "charts")); err != nil {
			t.Fatal(err)
		}
		v.portolan("dependency", "build", theirs).ok(t)
		sameFiles(t, "portolan builds from the lock of "+name, vendored(t, theirs), want)
		v.portolan("dependency", "build", theirs, "--require-digests").fails(t, exitConflict, "Chart.digests.yaml")
	}

	clear()
	m.reset()
	u.portolan("dependency", "build", dir).ok(t)
	sameFiles(t, "portolan builds from its lock", vendored(t, dir), want)
	requests, bodies := m.reset()
	if len(requests) != 8 || bodies != 0 || slices.ContainsFunc(requests, func(r string) bool { return !strings.HasPrefix(r, "HEAD ") }) {
		t.Errorf("a warm build costs %d bytes and %d requests, want 8 HEAD: %q", bodies, len(requests), requests)
	}
	for _, args := range [][]string{{"--skip-check"}, {"--offline"}} {
		clear()
		u.portolan(append([]string{"dependency", "build", dir}, args...)...).ok(t)
		sameFiles(t, "build "+args[0], vendored(t, dir), want)
	}
	if requests, _ := m.reset(); len(requests) != 0 {
		t.Errorf("builds without a check cost %q", requests)
	}
	if out := u.portolan("dependency", "list", dir).ok(t); strings.Count(out, "ok\n") != 9 {
		t.Errorf("list:\n%s", out)
	}
	testMovedDependency(t, reg, u, dir, want)
}

// testMovedDependency gives one version another content.
func testMovedDependency(t *testing.T, reg *registryServer, u *user, dir string, want map[string]string) {
	t.Helper()
	publisher := newUser(t)
	changed := chartDir(t, t.TempDir(), "vessel-6", "5.0.0")
	writeFile(t, filepath.Join(changed, "values.yaml"), []byte("replicas: 2\n"))
	pushed := publisher.json("push", changed, reg.ref("team/vessel-6"), "--force")
	var pins struct {
		Dependencies []struct{ Name, Digest string }
	}
	stdout := u.portolan("dependency", "build", dir, "--skip-check", "-o", "json").ok(t)
	if err := json.Unmarshal([]byte(stdout), &pins); err != nil || len(pins.Dependencies) != 9 {
		t.Fatalf("%v in\n%s", err, stdout)
	}
	u.portolan("dependency", "build", dir).fails(t, exitConflict, "vessel-6", pins.Dependencies[6].Digest, pushed.Digest)
	sameFiles(t, "after a build that failed", vendored(t, dir), want)
	u.portolan("dependency", "update", dir).ok(t)
	got := vendored(t, dir)
	if got["vessel-6-5.0.0.tgz"] == want["vessel-6-5.0.0.tgz"] || got["Chart.lock"] != want["Chart.lock"] {
		t.Error("the update has not taken the new content, or has changed the lock")
	}
	u.portolan("dependency", "build", dir, "--require-digests").ok(t)
}
