package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"path"
	"path/filepath"
	"testing"
)

// createdKey is the one annotation that Helm writes and portolan leaves out,
// since it depends on the machine.
const createdKey = "org.opencontainers.image.created"

// TestRoundTrip sends every chart through portolan and both Helms, in both
// directions: the archive comes back byte for byte, and what stands in the
// registry is the same.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	for _, c := range charts(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			testBothWays(t, reg, c)
		})
	}
}

// TestRoundTripOdd does the same for charts whose metadata is unusual.
func TestRoundTripOdd(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	for _, dir := range oddCharts(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			c := packed(t, u, dir)
			// One repository for each: several odd charts share a name.
			testBothWaysBelow(t, reg, "odd/"+filepath.Base(dir)+"/", c)
		})
	}
}

func testBothWays(t *testing.T, reg *registryServer, c chartFile) {
	testBothWaysBelow(t, reg, "", c)
}

func testBothWaysBelow(t *testing.T, reg *registryServer, below string, c chartFile) {
	t.Helper()
	ours := below + "portolan/" + c.name
	u := newUser(t)
	pushed := u.json("push", c.path, reg.ref("%s:%s", ours, c.tag()))
	if pushed.Sent < int64(len(c.data)) || pushed.Exists {
		t.Errorf("push of a new chart of %d bytes says sent %d, exists %v", len(c.data), pushed.Sent, pushed.Exists)
	}
	for name, helm := range helms {
		if got := helmPull(t, helm, reg.ref("%s", ours), c.version); !bytes.Equal(got, c.data) {
			t.Errorf("portolan push, %s pull: other bytes", name)
		}
	}
	for name, helm := range helms {
		theirs := below + name + "/" + c.name
		newUser(t).run(helm, "push", c.path, "oci://"+reg.host+"/"+path.Dir(theirs), "--plain-http")
		pulled := u.json("pull", reg.ref("%s:%s", theirs, c.tag()), "-d", u.dir(name))
		if !bytes.Equal(readFile(t, pulled.Path), c.data) {
			t.Errorf("%s push, portolan pull: other bytes", name)
		}
	}
	testParity(t, u, reg, ours, below, c)
}

// helmPull pulls with Helm as a new user and returns the archive.
func helmPull(t *testing.T, helm *tool, repository, version string, args ...string) []byte {
	t.Helper()
	u := newUser(t)
	args = append([]string{"pull", "oci://" + repository, "--version", version, "--plain-http", "-d", u.dir("got")}, args...)
	u.run(helm, args...)
	files := listFiles(t, u.path("got"))
	if len(files) != 1 {
		t.Fatalf("helm pull has written %q", files)
	}
	return readFile(t, u.path("got", files[0]))
}

// testParity compares what portolan has put into the registry with what Helm 4
// has, and pushes over the latter.
func testParity(t *testing.T, u *user, reg *registryServer, ours, below string, c chartFile) {
	t.Helper()
	theirs := below + "helm4/" + c.name
	got, want := reg.manifest(t, ours, c.tag()), reg.manifest(t, theirs, c.tag())
	var gotManifest, wantManifest imageManifest
	if err := errors.Join(json.Unmarshal(got, &gotManifest), json.Unmarshal(want, &wantManifest)); err != nil {
		t.Fatal(err)
	}
	gotConfig, wantConfig := reg.blob(t, ours, gotManifest.Config.Digest), reg.blob(t, theirs, wantManifest.Config.Digest)
	if !bytes.Equal(gotConfig, wantConfig) {
		t.Errorf("config differs from Helm's\n got %s\nwant %s", gotConfig, wantConfig)
	}
	created := wantManifest.Annotations[createdKey]
	plain := want
	if _, itself := gotManifest.Annotations[createdKey]; !itself {
		plain = withoutCreated(t, want, created)
		again := below + "created/" + c.name
		u.json("push", c.path, reg.ref("%s:%s", again, c.tag()), "--created", created)
		if same := reg.manifest(t, again, c.tag()); !bytes.Equal(same, want) {
			t.Errorf("with --created %s the manifest differs from Helm's\n got %s\nwant %s", created, same, want)
		}
	}
	if !bytes.Equal(got, plain) {
		t.Errorf("manifest differs from Helm's in more than created\n got %s\nwant %s", got, plain)
	}
	over := u.json("push", c.path, reg.ref("%s:%s", theirs, c.tag()))
	if over.Sent != 0 || !over.Exists {
		t.Errorf("push over Helm's own push says sent %d, exists %v", over.Sent, over.Exists)
	}
	if after := reg.manifest(t, theirs, c.tag()); !bytes.Equal(after, want) {
		t.Error("push over Helm's own push has replaced its manifest")
	}
}

// withoutCreated cuts the annotation out of the manifest's bytes and leaves
// all others where they are.
func withoutCreated(t *testing.T, manifest []byte, created string) []byte {
	t.Helper()
	value, err := json.Marshal(created)
	if err != nil {
		t.Fatal(err)
	}
	pair := []byte(`"` + createdKey + `":` + string(value))
	for _, cut := range [][]byte{append([]byte{','}, pair...), append(pair, ',')} {
		if bytes.Contains(manifest, cut) {
			return bytes.Replace(manifest, cut, nil, 1)
		}
	}
	t.Fatalf("no %s in %s", pair, manifest)
	return nil
}
