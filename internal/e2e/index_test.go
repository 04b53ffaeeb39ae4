package e2e_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// child is a descriptor as an image index holds it.
type child struct {
	descriptor
	ArtifactType string            `json:"artifactType,omitempty"`
	Platform     map[string]string `json:"platform,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// putIndex stores an image index under a tag and returns its digest.
func (r *registryServer) putIndex(t testing.TB, repository, tag string, children ...child) string {
	t.Helper()
	data, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": indexType, "manifests": children})
	if err != nil {
		t.Fatal(err)
	}
	r.do(t, http.MethodPut, "/v2/"+repository+"/manifests/"+tag, indexType, data)
	return "sha256:" + sum(data)
}

// child describes what a tag names as a child of an index.
func (r *registryServer) child(t testing.TB, repository, tag, artifactType string) child {
	t.Helper()
	data := r.manifest(t, repository, tag)
	return child{descriptor: descriptor{MediaType: manifestType, Digest: "sha256:" + sum(data), Size: int64(len(data))}, ArtifactType: artifactType}
}

const chartConfigType = "application/vnd.cncf.helm.config.v1+json"

// putImage stores a container image under a tag.
func (r *registryServer) putImage(t testing.TB, repository, tag string) {
	t.Helper()
	r.putManifest(t, repository, tag, imageManifest{
		SchemaVersion: 2,
		Config:        r.putBlob(t, repository, "application/vnd.oci.image.config.v1+json", []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`)),
		Layers:        []descriptor{r.putBlob(t, repository, "application/vnd.oci.image.layer.v1.tar+gzip", []byte("layer"))},
	})
}

// TestIndexParity pulls a chart from indexes with an image beside it: what
// Helm finds there, portolan finds.
func TestIndexParity(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	u := newUser(t)
	c := smallChart(t, "harbour", "1.0.0")
	const repository = "team/harbour"
	u.json("push", c.path, reg.ref("%s", repository), "--tag", "chart")
	reg.putImage(t, repository, "image")
	typed, untyped, image := reg.child(t, repository, "chart", chartConfigType), reg.child(t, repository, "chart", ""), reg.child(t, repository, "image", "")
	image.Platform = map[string]string{"os": "linux", "architecture": "amd64"}
	attestation := image
	attestation.Platform = map[string]string{"os": "unknown", "architecture": "unknown"}
	attestation.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
	reg.putIndex(t, repository, "2.0.0", image, typed)
	reg.putIndex(t, repository, "2.1.0", image, attestation, untyped)
	reg.putIndex(t, repository, "2.2.0", typed)
	u.run(oras, "manifest", "index", "create", "--plain-http", reg.ref("%s:2.3.0", repository), "image", "chart")
	for _, tag := range []string{"2.0.0", "2.1.0", "2.2.0", "2.3.0"} {
		out := u.json("pull", reg.ref("%s:%s", repository, tag), "-d", u.dir("ours", tag))
		if !bytes.Equal(readFile(t, out.Path), c.data) || out.Digest != typed.Digest || filepath.Base(out.Path) != "harbour-"+tag+".tgz" {
			t.Errorf("%s: portolan pulled %+v", tag, out)
		}
		for name, helm := range helms {
			dir := u.dir(name, tag)
			u.run(helm, "pull", "oci://"+reg.ref("%s", repository), "--version", tag, "-d", dir, "--plain-http")
			if !bytes.Equal(readFile(t, filepath.Join(dir, "harbour-"+tag+".tgz")), c.data) {
				t.Errorf("%s: %s pulled something else", tag, name)
			}
		}
	}
	offline := u.json("pull", reg.ref("%s:2.0.0", repository), "-d", u.dir("offline"), "--offline")
	if !bytes.Equal(readFile(t, offline.Path), c.data) || offline.Origin != "cache" {
		t.Errorf("offline: %+v", offline)
	}
}

// TestIndexOfSeveralCharts: Helm pulls whichever it gets last; portolan asks.
func TestIndexOfSeveralCharts(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	u := newUser(t)
	const repository = "team/fleet"
	pier, quay := smallChart(t, "pier", "1.0.0"), smallChart(t, "quay", "1.0.0")
	u.json("push", pier.path, reg.ref("%s", repository), "--tag", "pier")
	u.json("push", quay.path, reg.ref("%s:quay", repository))
	children := []child{reg.child(t, repository, "pier", chartConfigType), reg.child(t, repository, "quay", chartConfigType)}
	index := reg.putIndex(t, repository, "2.0.0", children...)
	ref := reg.ref("%s:2.0.0", repository)
	for name, helm := range helms {
		dir := u.dir(name)
		u.run(helm, "pull", "oci://"+ref, "-d", dir, "--plain-http")
		if got := readFile(t, filepath.Join(dir, "fleet-2.0.0.tgz")); !bytes.Equal(got, pier.data) && !bytes.Equal(got, quay.data) {
			t.Errorf("%s pulled neither chart", name)
		}
	}
	u.portolan("pull", ref).fails(t, exitOther, "more than one chart", `"pier"`, `"quay"`, children[1].Digest)
	u.portolan("pull", ref, "--chart", "dock").fails(t, exitNotFound, `"dock"`, `"pier"`)
	out := u.json("pull", ref, "--chart", "quay")
	if !bytes.Equal(readFile(t, out.Path), quay.data) || filepath.Base(out.Path) != "quay-2.0.0.tgz" || out.Reference != ref+"@"+index {
		t.Errorf("pulled %+v", out)
	}
	if resolved := u.json("resolve", ref, "--chart", "quay"); resolved.Reference != reg.ref("%s@%s", repository, children[1].Digest) || resolved.Tag != "" {
		t.Errorf("resolved %+v", resolved)
	}
	out = u.json("pull", reg.ref("%s@%s", repository, children[0].Digest))
	if !bytes.Equal(readFile(t, out.Path), pier.data) {
		t.Errorf("by digest: %+v", out)
	}
	if shown := u.portolan("show", "chart", ref, "--chart", "pier").ok(t); !strings.Contains(shown, "name: pier") {
		t.Errorf("shown:\n%s", shown)
	}
	u.portolan("push", pier.path, ref).fails(t, exitUsage, "another version")
	reg.putIndex(t, repository, "latest", children...)
	u.portolan("push", pier.path, reg.ref("%s:latest", repository)).fails(t, exitConflict, "image index")
}

// TestVersionsMetadata lists what versions say of themselves.
func TestVersionsMetadata(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	u := newUser(t)
	dir := chartDir(t, t.TempDir(), "harbour", "1.0.0")
	writeFile(t, filepath.Join(dir, "Chart.yaml"), []byte("apiVersion: v2\nname: harbour\nversion: 1.0.0\nappVersion: \"7.1\"\ndeprecated: true\ndescription: >-\n  Ropes\n  and a rather long text about anchors, chains, bollards and fenders\nannotations:\n  org.opencontainers.image.created: 2024-02-29T23:00:00-02:00\n"))
	u.json("push", dir, reg.ref("team/harbour"))
	u.json("push", smallChart(t, "harbour", "1.1.0-rc.1").path, reg.ref("team/harbour"))
	reg.putImage(t, "team/harbour", "2.0.0")
	table := u.portolan("versions", reg.ref("team/harbour"), "--metadata", "--devel").ok(t)
	lines := strings.Split(strings.TrimSpace(table), "\n")
	if len(lines) != 4 {
		t.Fatalf("table:\n%s", table)
	}
	for i, want := range []string{
		"VERSION APP VERSION CREATED DESCRIPTION",
		"2.0.0 ! ",
		"1.1.0-rc.1 2.0 Ropes & anchors <for> tests",
		"1.0.0 7.1 2024-03-01 (deprecated) Ropes and a rather long text about anchors, ch…",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != want && !(strings.HasSuffix(want, " ! ") && strings.HasPrefix(got, want) && strings.Contains(got, "not a chart")) {
			t.Errorf("line %d: %q, want %q", i, got, want)
		}
	}
	var all []struct {
		Version, Tag, Digest, Created, Error string
		Metadata                             struct {
			Name, AppVersion, Description, Type string
			Deprecated                          bool
		}
	}
	if err := json.Unmarshal([]byte(u.portolan("versions", reg.ref("team/harbour"), "--metadata", "-o", "json").ok(t)), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].Error == "" || all[0].Metadata.Name != "" || all[1].Error != "" || !all[1].Metadata.Deprecated || all[1].Metadata.AppVersion != "7.1" || all[1].Created != "2024-02-29T23:00:00-02:00" || all[1].Digest == "" {
		t.Errorf("%+v", all)
	}
	u.portolan("versions", reg.ref("team/harbour"), "--chart", "x").fails(t, exitUsage, "--metadata")
}
