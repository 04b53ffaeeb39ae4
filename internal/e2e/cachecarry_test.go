package e2e_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// carryOutcome is what portolan cache export and import print.
type carryOutcome struct {
	Path   string
	Charts []struct {
		Reference, Digest, Origin, Was string
		Referrers                      []string
	}
	Contents      int
	Size, Written int64
	Left, Skipped []string
}

func (u *user) carry(args ...string) carryOutcome {
	u.t.Helper()
	stdout := u.portolan(append(append([]string{"cache"}, args...), "-o", "json")...).ok(u.t)
	var out carryOutcome
	if err := json.Unmarshal([]byte(stdout), &out); err != nil {
		u.t.Fatalf("portolan cache %s: %v in\n%s", strings.Join(args, " "), err, stdout)
	}
	return out
}

// TestCarryCorpus carries every chart, in a directory and in a tar file, to a
// user who sees no registry, and Helm reads what that one pulls.
func TestCarryCorpus(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	here := newUser(t)
	all := charts(t)
	args := []string{}
	for _, c := range all {
		here.run(helm4, "push", c.path, "oci://"+reg.ref("team"), "--plain-http")
		here.json("pull", reg.ref("team/%s:%s", c.name, c.version), "-d", here.dir("pulled")) // partial: without its config
		args = append(args, reg.ref("team/%s:%s", c.name, c.version))
	}
	dir, tarFile := here.path("bundle"), here.path("bundle.tar")
	out := here.carry(append([]string{"export", tarFile}, args...)...)
	if len(out.Charts) != len(all) || out.Written != out.Size {
		t.Errorf("%d charts, %d of %d bytes written", len(out.Charts), out.Written, out.Size)
	}
	reg.kill()
	// Complete now, everything that the cache holds is carried without a registry.
	if whole := here.carry("export", dir, "--offline"); len(whole.Charts) != len(all) || whole.Size != out.Size {
		t.Errorf("offline: %d charts of %d bytes, want %d of %d", len(whole.Charts), whole.Size, len(all), out.Size)
	}
	for _, path := range []string{dir, tarFile} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			there := newUser(t)
			there.env = []string{"no_proxy=*"}
			in := there.carry("import", path)
			if len(in.Charts) != len(all) || in.Contents != out.Contents || in.Size != out.Size || len(in.Skipped) != 0 {
				t.Errorf("imported %d charts, %d contents, %d bytes, want %d, %d, %d", len(in.Charts), in.Contents, in.Size, len(all), out.Contents, out.Size)
			}
			for _, c := range all {
				ref := reg.ref("team/%s", c.name)
				pulled := there.json("pull", ref+":"+c.version, "-d", there.dir("pulled"), "--offline")
				if !bytes.Equal(readFile(t, pulled.Path), c.data) || pulled.Origin != "cache" {
					t.Errorf("%s: other bytes, or from %s", c.name, pulled.Origin)
				}
				there.portolan("versions", ref, "--devel", "--offline").ok(t)
				there.portolan("show", "chart", ref+":"+c.version, "--offline").ok(t)
				if got := there.json("resolve", ref+":"+c.version, "--offline"); got.Digest != pulled.Digest {
					t.Errorf("%s resolves to %s, and was pulled as %s", c.name, got.Digest, pulled.Digest)
				}
			}
			own := all[0]
			there.run(helm4, "template", there.path("pulled", own.name+"-"+own.version+".tgz"))
			there.run(helm3, "template", there.path("pulled", own.name+"-"+own.version+".tgz"))
			if again := there.carry("import", path); again.Written != 0 {
				t.Errorf("the second import has written %d bytes", again.Written)
			}
			there.leavesNothing()
		})
	}
}

// TestCarryOthers reads an exported layout with the other tools, and imports
// those that they write.
func TestCarryOthers(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	u := newUser(t)
	c, web := smallChart(t, "harbour", "1.2.3+build.5"), smallChart(t, "web", "1.0.0")
	u.run(helm4, "push", c.path, "oci://"+reg.ref("team"), "--plain-http")
	u.run(helm4, "push", web.path, "oci://"+reg.ref("team"), "--plain-http")
	writeFile(t, u.path("work", "sbom.json"), []byte(`{"bomFormat":"CycloneDX"}`))
	subject := reg.ref("team/harbour:%s", c.tag())
	u.run(oras, "attach", "--plain-http", "--artifact-type", "application/vnd.cyclonedx+json", subject, "sbom.json")

	one := u.carry("export", "one", reg.ref("team/harbour:%s", c.version), "--referrers")
	if len(one.Charts) != 1 || len(one.Charts[0].Referrers) != 1 {
		t.Fatalf("%+v", one)
	}
	digest := one.Charts[0].Digest
	u.carry("export", "one.tar", reg.ref("team/harbour:%s", c.version), "--referrers")
	u.carry("export", "two", reg.ref("team/harbour:%s", c.version), reg.ref("team/web"))
	manifest := strings.TrimSpace(string(reg.manifest(t, "team/harbour", c.tag())))

	t.Run("oras", func(t *testing.T) {
		for _, at := range []string{"one:" + c.tag(), "one.tar:" + c.tag(), "one@" + digest, "two@" + digest} {
			if got := strings.TrimSpace(u.run(oras, "manifest", "fetch", "--oci-layout", at)); got != manifest {
				t.Errorf("%s: oras reads another manifest:\n%s", at, got)
			}
		}
		if got := u.run(oras, "repo", "tags", "--oci-layout", "one"); strings.TrimSpace(got) != c.tag() {
			t.Errorf("oras lists the tags %q", got)
		}
		if got := u.run(oras, "discover", "--oci-layout", "one:"+c.tag()); !strings.Contains(got, "cyclonedx") {
			t.Errorf("oras finds no referrer:\n%s", got)
		}
		u.run(oras, "copy", "-r", "--from-oci-layout", "one:"+c.tag(), "--to-plain-http", reg.ref("oras/harbour:%s", c.tag()))
		check(t, u, reg, "oras/harbour", c)
	})
	t.Run("crane", func(t *testing.T) {
		u.run(crane, "push", "--insecure", "--index", "two", reg.ref("crane/two:all"))
		u.carry("export", "single", reg.ref("team/harbour:%s", c.version))
		u.run(crane, "push", "--insecure", "single", reg.ref("crane/harbour:%s", c.tag()))
		check(t, u, reg, "crane/harbour", c)
	})
	t.Run("regctl", func(t *testing.T) {
		u.run(regctl, "registry", "set", reg.host, "--tls", "disabled")
		for _, at := range []string{"ocidir://one:" + c.tag(), "ocidir://one@" + digest, "ocidir://two@" + digest} {
			if got := strings.TrimSpace(u.run(regctl, "manifest", "get", "--format", "raw-body", at)); got != manifest {
				t.Errorf("%s: regctl reads another manifest:\n%s", at, got)
			}
		}
		u.run(regctl, "image", "copy", "ocidir://one:"+c.tag(), reg.ref("regctl/harbour:%s", c.tag()))
		check(t, u, reg, "regctl/harbour", c)
		u.run(regctl, "image", "import", reg.ref("regctl/tar:%s", c.tag()), "one.tar", "--name", c.tag())
		check(t, u, reg, "regctl/tar", c)
	})
	t.Run("theirs", func(t *testing.T) {
		u.run(oras, "copy", "-r", "--from-plain-http", subject, "--to-oci-layout", "fromoras:"+c.tag())
		u.run(crane, "pull", "--insecure", "--format=oci", subject, "fromcrane")
		u.run(regctl, "image", "copy", "--referrers", subject, "ocidir://fromregctl:"+c.tag())
		u.run(oras, "backup", "--plain-http", "--output", "backup", subject)
		for _, theirs := range []string{"fromoras", "fromcrane", "fromregctl", "backup"} {
			there := newUser(t)
			path := u.path("work", theirs)
			there.portolan("cache", "import", path).fails(t, exitUsage, "repository", "--into")
			in := there.carry("import", path, "--into", reg.ref("team/harbour"))
			i := slices.IndexFunc(in.Charts, func(c struct {
				Reference, Digest, Origin, Was string
				Referrers                      []string
			}) bool {
				return c.Reference == subject || theirs == "fromcrane" && c.Reference == reg.ref("team/harbour@%s", digest) // it writes no tag
			})
			if i < 0 || in.Charts[i].Digest != digest {
				t.Errorf("%s: %+v", theirs, in)
				continue
			}
			if n := len(in.Charts[i].Referrers); theirs == "fromoras" && n != 1 || theirs == "fromregctl" && n != 1 {
				t.Errorf("%s: %d referrers", theirs, n)
			}
			pulled := there.json("pull", in.Charts[i].Reference, "-d", there.dir("pulled"), "--offline")
			if !bytes.Equal(readFile(t, pulled.Path), c.data) {
				t.Errorf("%s: other bytes", theirs)
			}
		}
	})
}

// TestCarryDependencies carries what a chart in a directory declares, and
// builds it where there is no registry.
func TestCarryDependencies(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	here := newUser(t)
	dir := flagship(t, here, fleet(t, reg, reg.host))
	here.portolan("dependency", "update", dir).ok(t)
	want := vendored(t, dir)
	if err := os.RemoveAll(filepath.Join(dir, "charts")); err != nil {
		t.Fatal(err)
	}
	bundle := here.path("bundle.tar")
	fresh := newUser(t) // whose cache is empty
	out := fresh.carry("export", bundle, dir)
	if len(out.Charts) != 8 {
		t.Errorf("%d charts: %+v", len(out.Charts), out.Charts)
	}
	reg.kill()
	there := newUser(t)
	missing := there.portolan("cache", "export", "nothing.tar", dir, "--offline")
	missing.fails(t, exitNotFound, "vessel-0:1.10.0", "vessel-7:1.0.0", "vessel-4:1.0.1_build.7")
	there.carry("import", bundle)
	there.portolan("dependency", "build", dir, "--offline").ok(t)
	sameFiles(t, "built offline", vendored(t, dir), want)
	there.run(helm3, "template", dir)
	there.run(helm4, "template", dir)
}

// TestCarryMissing names everything that is not here, writes nothing, and
// refuses what was changed on the way.
func TestCarryMissing(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	u := newUser(t)
	a, b := smallChart(t, "anchor", "1.0.0"), smallChart(t, "bollard", "1.0.0")
	u.run(helm4, "push", a.path, "oci://"+reg.ref("team"), "--plain-http")
	u.run(helm4, "push", b.path, "oci://"+reg.ref("team"), "--plain-http")
	u.portolan("resolve", reg.ref("team/anchor:1.0.0")).ok(t)
	u.json("pull", reg.ref("team/bollard:1.0.0"))
	u.portolan("cache", "export", "bundle.tar", reg.ref("team/anchor:1.0.0"), reg.ref("team/bollard:1.0.0"), "--offline").
		fails(t, exitNotFound, reg.ref("team/anchor:1.0.0"), reg.ref("team/bollard:1.0.0"), "config", "sha256:")
	if _, err := os.Stat(u.path("work", "bundle.tar")); !os.IsNotExist(err) {
		t.Errorf("a bundle that lacks something was written: %v", err)
	}
	out := u.carry("export", "bundle", reg.ref("team/anchor:1.0.0"), reg.ref("team/bollard@%s", u.json("resolve", reg.ref("team/bollard:1.0.0")).Digest))
	blobs, err := filepath.Glob(u.path("work", "bundle", "blobs", "sha256", "*"))
	if err != nil || len(blobs) != out.Contents {
		t.Fatalf("%d blobs of %d, %v", len(blobs), out.Contents, err)
	}
	for _, blob := range blobs {
		there := newUser(t)
		data := readFile(t, blob)
		flipped := bytes.Clone(data)
		flipped[len(flipped)/2] ^= 1
		writeFile(t, blob, flipped)
		there.portolan("cache", "import", u.path("work", "bundle")).fails(t, exitVerify, filepath.Base(blob))
		if err := os.Remove(blob); err != nil {
			t.Fatal(err)
		}
		there.portolan("cache", "import", u.path("work", "bundle")).fails(t, exitNotFound, filepath.Base(blob))
		if list := there.portolan("cache", "list").ok(t); list != "" {
			t.Errorf("a bundle that is bad has named %s", list)
		}
		writeFile(t, blob, data)
		there.carry("import", u.path("work", "bundle"))
	}
	there := newUser(t)
	there.carry("import", u.path("work", "bundle"))
	digest := out.Charts[1].Digest
	pulled := there.json("pull", reg.ref("team/bollard@%s", digest), "-d", there.dir("pulled"), "--offline")
	if !bytes.Equal(readFile(t, pulled.Path), b.data) {
		t.Error("other bytes by digest")
	}
	there.portolan("cache", "release", reg.ref("team/bollard@%s", digest), reg.ref("team/anchor:1.0.0")).ok(t)
	if list := there.portolan("cache", "list").ok(t); strings.Contains(list, "held") {
		t.Errorf("still held: %s", list)
	}
}
