package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// copyOutcome is what portolan copy prints.
type copyOutcome struct {
	outcome
	Source           string
	Mounted, Existed int64
	Referrers        []string
}

func (u *user) copy(args ...string) copyOutcome {
	u.t.Helper()
	stdout := u.portolan(append(append([]string{"copy"}, args...), "-o", "json")...).ok(u.t)
	var out copyOutcome
	if err := json.Unmarshal([]byte(stdout), &out); err != nil {
		u.t.Fatalf("portolan copy %s: %v in\n%s", strings.Join(args, " "), err, stdout)
	}
	return out
}

// TestCopyBetweenRegistries copies what Helm has pushed, to another registry
// and within one, and Helm pulls the copies byte for byte.
func TestCopyBetweenRegistries(t *testing.T) {
	t.Parallel()
	a, b := startRegistry(t, registryOptions{}), startRegistry(t, registryOptions{})
	for _, c := range charts(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.run(helm4, "push", c.path, "oci://"+a.ref("team"), "--plain-http")
			first := u.copy(a.ref("team/%s:%s", c.name, c.version), b.ref("mirror/"))
			if first.Exists || first.Sent < int64(len(c.data)) || first.Reference != b.ref("mirror/%s:%s@%s", c.name, c.tag(), first.Digest) {
				t.Errorf("%+v", first)
			}
			if !bytes.Equal(a.manifest(t, "team/"+c.name, c.tag()), b.manifest(t, "mirror/"+c.name, c.tag())) {
				t.Error("the manifest has other bytes")
			}
			again := u.copy("oci://"+a.ref("team/%s:%s", c.name, c.version), b.ref("mirror/%s", c.name))
			if !again.Exists || again.Sent != 0 {
				t.Errorf("again: %+v", again)
			}
			within := u.copy(b.ref("mirror/%s@%s", c.name, first.Digest), b.ref("third/%s", c.name))
			if within.Mounted < int64(len(c.data)) || within.Sent > 64<<10 || within.Digest != first.Digest {
				t.Errorf("within one registry: %+v", within)
			}
			for _, repository := range []string{"mirror", "third"} {
				if got := helmPull(t, helm3, b.ref("%s/%s", repository, c.name), c.version); !bytes.Equal(got, c.data) {
					t.Errorf("%s: helm pulls other bytes", repository)
				}
			}
		})
	}
}

// TestCopyBearer copies within a registry that wants tokens, with the right to
// pull where the blobs are mounted from.
func TestCopyBearer(t *testing.T) {
	t.Parallel()
	tokens := startTokenServer(t)
	reg := startRegistry(t, registryOptions{tokens: tokens})
	u := newUser(t)
	u.start(password, mustPortolan(t), "login", reg.host, "-u", userName, "--password-stdin").ok(t)
	c := bigChart(t, "cargo", 1<<20)
	u.json("push", c.path, reg.ref("team/cargo"))
	before := tokens.issued.Load()
	if got := u.copy(reg.ref("team/cargo"), reg.ref("mirror/cargo")); got.Mounted < 1<<20 {
		t.Errorf("%+v", got)
	}
	// One to read the source, one to write the target and mount from the source.
	if n := tokens.issued.Load() - before; n > 2 {
		t.Errorf("%d tokens", n)
	}
}

func mustPortolan(t *testing.T) string {
	t.Helper()
	bin, err := portolan()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// TestCopyThroughLayouts carries a chart in a directory and in a tar file, past
// the other tools that read and write layouts.
func TestCopyThroughLayouts(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := smallChart(t, "harbour", "1.2.3+build.5")
	for _, name := range []string{"layout", "layout.tar"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			below := strings.ReplaceAll(name, ".", "-")
			u.run(helm4, "push", c.path, "oci://"+reg.ref("%s", below), "--plain-http")
			out := u.copy(reg.ref("%s/harbour", below), "layout:"+name)
			at := name + ":" + c.tag()

			got := u.run(oras, "manifest", "fetch", "--oci-layout", at)
			if strings.TrimSpace(got) != strings.TrimSpace(string(reg.manifest(t, below+"/harbour", c.tag()))) {
				t.Errorf("oras reads another manifest:\n%s", got)
			}
			u.run(oras, "copy", "--from-oci-layout", at, "--to-plain-http", reg.ref("%s/oras:%s", below, c.tag()))
			if name == "layout" {
				u.run(crane, "push", "--insecure", name, reg.ref("%s/crane:%s", below, c.tag()))
				u.run(crane, "pull", "--insecure", "--format=oci", reg.ref("%s/harbour:%s", below, c.tag()), "theirs")
				u.run(oras, "copy", "--from-plain-http", reg.ref("%s/harbour:%s", below, c.tag()), "--to-oci-layout", "fromoras:"+c.tag())
				for _, theirs := range []string{"theirs", "fromoras"} {
					if got := u.copy("layout:"+theirs, reg.ref("%s/back-%s", below, theirs)); got.Digest != out.Digest || got.Tag != c.tag() {
						t.Errorf("from %s: %+v", theirs, got)
					}
				}
				check(t, u, reg, below+"/crane", c)
				check(t, u, reg, below+"/back-theirs", c)
			}
			if got := u.copy("layout:"+name, reg.ref("%s/back/", below)); got.Digest != out.Digest {
				t.Errorf("back: %+v, want %s", got, out.Digest)
			}
			if got := u.copy("layout:"+at, "layout:again.tar:edge"); got.Digest != out.Digest || got.Path != "again.tar" {
				t.Errorf("to another layout: %+v", got)
			}
			check(t, u, reg, below+"/oras", c)
			check(t, u, reg, below+"/back/harbour", c)
			if helmed := helmPull(t, helm3, reg.ref("%s/back/harbour", below), c.version); !bytes.Equal(helmed, c.data) {
				t.Error("helm pulls other bytes")
			}
		})
	}
}

// check pulls the chart from a repository and compares it.
func check(t *testing.T, u *user, reg *registryServer, repository string, c chartFile) {
	t.Helper()
	pulled := u.json("pull", reg.ref("%s:%s", repository, c.tag()), "-d", u.dir("pulled", repository))
	if !bytes.Equal(readFile(t, pulled.Path), c.data) {
		t.Errorf("%s: other bytes", repository)
	}
}

// TestCopyTakesSignaturesAlong: what oras attaches travels between registries
// that have no referrers API, and through a layout, and oras finds it there.
func TestCopyTakesSignaturesAlong(t *testing.T) {
	t.Parallel()
	a, b := startRegistry(t, registryOptions{}), startRegistry(t, registryOptions{})
	u := newUser(t)
	c := smallChart(t, "harbour", "1.2.3")
	u.json("push", c.path, a.ref("team/harbour"))
	writeFile(t, u.path("work", "sbom.json"), []byte(`{"sbom":true}`))
	for _, kind := range []string{"application/vnd.example.sbom", "application/vnd.example.signature"} {
		u.run(oras, "attach", "--plain-http", "--artifact-type", kind, a.ref("team/harbour:1.2.3"), "sbom.json")
	}
	if got := u.copy("--referrers", a.ref("team/harbour"), b.ref("mirror/harbour")); len(got.Referrers) != 2 {
		t.Errorf("%+v", got)
	}
	u.copy("--referrers", a.ref("team/harbour"), "layout:l.tar")
	u.copy("--referrers", "layout:l.tar", "layout:dir")
	u.copy("--referrers", "layout:dir", b.ref("carried/harbour"))
	if again := u.copy("--referrers", "layout:dir", b.ref("carried/harbour")); again.Sent != 0 || len(again.Referrers) != 2 {
		t.Errorf("again: %+v", again)
	}
	for _, args := range [][]string{
		{"--plain-http", b.ref("mirror/harbour:1.2.3")}, {"--plain-http", b.ref("carried/harbour:1.2.3")}, {"--oci-layout", "dir:1.2.3"},
	} {
		found := u.run(oras, append([]string{"discover", "--format", "json"}, args...)...)
		for _, kind := range []string{"application/vnd.example.sbom", "application/vnd.example.signature"} {
			if strings.Count(found, kind) != 1 {
				t.Errorf("oras discover %q does not find %s once:\n%s", args, kind, found)
			}
		}
	}
}

// TestCopyArchives: archives and directories are sources, files are targets.
func TestCopyArchives(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	u := newUser(t)
	c := smallChart(t, "harbour", "1.2.3")
	pushed := u.copy(c.path, reg.ref("team/"))
	if pushed.Reference != reg.ref("team/harbour:1.2.3@%s", pushed.Digest) || pushed.Sent < int64(len(c.data)) {
		t.Errorf("%+v", pushed)
	}
	for destination, want := range map[string]string{"./out": "out/harbour-1.2.3.tgz", "mine.tgz": "mine.tgz"} {
		got := u.copy(reg.ref("team/harbour"), destination)
		if got.Path != want || !bytes.Equal(readFile(t, u.path("work", want)), c.data) {
			t.Errorf("to %s: %+v", destination, got)
		}
	}
	other := bigChart(t, "harbour", 1<<10)
	u.portolan("copy", other.path, "mine.tgz").fails(t, exitConflict, "mine.tgz", "force")
	u.portolan("copy", "--force", other.path, "mine.tgz").ok(t)
	u.portolan("copy", other.path, reg.ref("team/harbour:1.2.3")).fails(t, exitUsage, "another version")
	u.portolan("copy", reg.ref("team/harbour:9.9.9"), "layout:l").fails(t, exitNotFound, "9.9.9", "1.2.3")
	u.portolan("copy", "layout:absent", reg.ref("team/x")).fails(t, exitNotFound, "absent")
	u.portolan("copy", other.path, reg.ref("team/x"), "--referrers").fails(t, exitUsage, "--referrers")
	u.portolan("copy", reg.ref("team/harbour"), "./out", "--referrers").fails(t, exitUsage, "--referrers")
	u.portolan("copy", "ftp://example.com/x", reg.ref("team/x")).fails(t, exitUsage, "ftp")
	u.portolan("copy", reg.ref("team/harbour"), "no-host").fails(t, exitUsage, "no-host")
	u.portolan("copy", "--offline", reg.ref("team/harbour"), "./out").fails(t, exitUsage, "offline")
}

// TestCopyGoesOn: the source breaks off in the middle of the archive and is
// gone for longer than anyone tries again. Nothing names the half, and the next
// copy sends the rest.
func TestCopyGoesOn(t *testing.T) {
	t.Parallel()
	a, b := startRegistry(t, registryOptions{}), startRegistry(t, registryOptions{})
	c := bigChart(t, "cargo", 4<<20)
	pushed := newUser(t).json("push", c.path, a.ref("team/cargo"))
	for destination, back := range map[string]string{
		b.ref("mirror/cargo"): b.ref("mirror/cargo"),
		"layout:dir":          b.ref("dir/cargo"),
		"layout:l.tar":        b.ref("tar/cargo"),
		"./out":               "",
	} {
		t.Run(strings.NewReplacer(b.host+"/", "", "/", " ").Replace(destination), func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			var cuts atomic.Int32
			var holds atomic.Bool
			proxy := startProxy(t, a, func(r *http.Response) error {
				if isBlob(r) && r.ContentLength > 1<<20 && !holds.Load() {
					length := int64(0)
					if cuts.Add(1) == 1 {
						length = 2 << 20
					}
					r.Body = struct {
						io.Reader
						io.Closer
					}{io.MultiReader(io.LimitReader(r.Body, length), failing{}), r.Body}
				}
				return nil
			})
			u.portolan("copy", proxy+"/team/cargo:1.0.0", destination, "--timeout", "5s").fails(t, exitUnreachable)
			if cuts.Load() < 2 {
				t.Errorf("%d answers were cut, so nobody has tried again", cuts.Load())
			}
			if strings.HasPrefix(destination, b.host) {
				u.portolan("resolve", destination+":1.0.0").fails(t, exitNotFound)
			}
			holds.Store(true)
			got := u.copy(proxy+"/team/cargo:1.0.0", destination)
			if got.Exists || got.Digest != pushed.Digest {
				t.Errorf("%+v", got)
			}
			switch {
			case strings.HasPrefix(destination, "layout:"):
				u.copy(destination, back)
			case back == "" && !bytes.Equal(readFile(t, u.path("work", got.Path)), c.data):
				t.Error("other bytes")
			}
			for _, name := range listFiles(t, u.path("work")) {
				if strings.HasPrefix(filepath.Base(name), ".") {
					t.Errorf("left behind: %s", name)
				}
			}
			if back != "" {
				check(t, u, b, strings.TrimPrefix(back, b.host+"/"), c)
			}
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, fmt.Errorf("cut") }
