package chart_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/variant"
)

// fleet is a chart with ten others in charts/, one of them with one in its own.
func fleet() variant.Chart {
	c := variant.Chart(chartFiles("fleet", "1.0.0"))
	for i := range 10 {
		name := fmt.Sprintf("ship-%d", i)
		c = with(c, "charts/"+name, chartFiles(name, "0.1.0"))
	}
	return with(c, "charts/ship-3/charts/boat", chartFiles("boat", "0.2.0"))
}

// environments are those of the processes that package.
var environments = []struct{ umask, zone, locale, procs string }{
	{"022", "UTC", "C", "1"},
	{"077", "Pacific/Chatham", "de_DE.UTF-8", "2"},
	{"002", "America/St_Johns", "tr_TR.UTF-8", "4"},
	{"000", "Asia/Kathmandu", "ja_JP.eucJP", "3"},
	{"027", "", "en_US.ISO-8859-1", "8"},
}

// TestPackageIsReproducible packages fifty copies of each chart, which differ in
// all that is not content, in a process of its own each, whose environment
// differs too.
func TestPackageIsReproducible(t *testing.T) {
	if list := os.Getenv("PORTOLAN_REPRODUCE"); list != "" {
		printDigests(t, strings.Split(list, "\n"))
		return
	}
	charts := map[string]variant.Chart{"fleet": fleet()}
	for _, dir := range testCharts(t) {
		c, err := variant.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		charts[filepath.Base(dir)] = c
	}
	names := slices.Sorted(maps.Keys(charts))
	first := make(map[string]string)
	for run := range 50 {
		parent := filepath.Join(t.TempDir(), fmt.Sprint(run))
		dirs := make([]string, len(names))
		for i, name := range names {
			dirs[i] = filepath.Join(parent, name)
			if err := charts[name].Write(dirs[i], uint64(run*len(names)+i)); err != nil {
				t.Fatal(err)
			}
		}
		got := packageElsewhere(t, run, dirs)
		if len(got) != len(names) {
			t.Fatalf("%d digests of %d charts", len(got), len(names))
		}
		for i, name := range names {
			switch {
			case first[name] == "":
				first[name] = got[i]
			case first[name] != got[i]:
				t.Errorf("run %d: %s is %s, and was %s", run, name, got[i], first[name])
			}
		}
	}
	// The golden digests: TestPackEqualsHelmPush holds the others.
	const want = "sha256:4978846f51fa110270830b04d10ed21a4de8046f433dd42205b95463aeb44745"
	if first["fleet"] != want {
		t.Errorf("fleet is %s, want %s", first["fleet"], want)
	}
}

// packageElsewhere starts this test again as another user might.
func packageElsewhere(t *testing.T, run int, dirs []string) []string {
	t.Helper()
	e := environments[run%len(environments)]
	cmd := exec.Command(os.Args[0], "-test.run=^TestPackageIsReproducible$", "-test.v")
	if runtime.GOOS != "windows" {
		cmd = exec.Command("/bin/sh", append([]string{"-c", `umask "$0" && exec "$@"`, e.umask}, cmd.Args...)...)
	}
	cmd.Dir = filepath.Dir(dirs[0])
	// A process under the race detector waits a second before it ends.
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "PORTOLAN_REPRODUCE="+strings.Join(dirs, "\n"),
		"TZ="+e.zone, "LC_ALL="+e.locale, "LANG="+e.locale, "GOMAXPROCS="+e.procs)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var digests []string
	for line := range strings.Lines(string(out)) {
		if digest, ok := strings.CutPrefix(line, "digest "); ok {
			digests = append(digests, strings.TrimSpace(digest))
		}
	}
	return digests
}

func printDigests(t *testing.T, dirs []string) {
	for _, dir := range dirs {
		d := digest.SHA256.Digester()
		if _, err := chart.Package(t.Context(), dir, d.Hash(), nil); err != nil {
			t.Fatal(err)
		}
		fmt.Println("digest", d.Digest())
	}
}
