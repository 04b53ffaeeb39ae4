package cache_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/layout"
)

// carryReferrers is a source that knows referrers too.
type carryReferrers struct {
	fullSource
	lists map[digest.Digest][]ocispec.Descriptor
}

func (f carryReferrers) Referrers(_ context.Context, desc ocispec.Descriptor, _ string, fn func([]ocispec.Descriptor) error) error {
	f.count("Referrers")
	if list := f.lists[desc.Digest]; len(list) > 0 {
		return fn(list)
	}
	return nil
}

// sign lets the source have a manifest that refers to subject.
func (f carryReferrers) sign(subject ocispec.Descriptor, note string) ocispec.Descriptor {
	layer := []byte("signature " + note)
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: "application/vnd.example.signature", Config: ocispec.DescriptorEmptyJSON,
		Layers: []ocispec.Descriptor{describe("application/octet-stream", layer)}, Subject: &subject,
		Annotations: map[string]string{"note": note}}
	data, _ := json.Marshal(m)
	desc := describe(ocispec.MediaTypeImageManifest, data)
	f.content[desc.Digest], f.content[m.Config.Digest], f.content[m.Layers[0].Digest] = data, []byte("{}"), layer
	f.lists[subject.Digest] = append(f.lists[subject.Digest], desc)
	return desc
}

func newCarry() carryReferrers {
	return carryReferrers{fullSource{newFake()}, map[digest.Digest][]ocispec.Descriptor{}}
}

// carryBundle is a layout of either kind: make writes it, open reads it.
type carryBundle struct {
	path string
	tar  bool
}

func carryBundles(t *testing.T, run func(t *testing.T, b carryBundle)) {
	t.Helper()
	t.Run("directory", func(t *testing.T) { run(t, carryBundle{filepath.Join(t.TempDir(), "bundle"), false}) })
	t.Run("tar", func(t *testing.T) { run(t, carryBundle{filepath.Join(t.TempDir(), "bundle.tar"), true}) })
}

func (b carryBundle) write(t *testing.T, fn func(cache.ExportTarget) error) error {
	t.Helper()
	if b.tar {
		w, err := layout.CreateTar(t.Context(), b.path)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if err := fn(w); err != nil {
			return err
		}
		return w.Commit(t.Context())
	}
	d, err := layout.Create(t.Context(), b.path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	return fn(d)
}

func (b carryBundle) open(t *testing.T) cache.ImportSource {
	t.Helper()
	if b.tar {
		r, err := layout.OpenTar(b.path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	d, err := layout.Open(b.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func (b carryBundle) export(t *testing.T, s *cache.Store, options cache.ExportOptions, roots ...cache.ExportRoot) *cache.Exported {
	t.Helper()
	var out *cache.Exported
	err := b.write(t, func(to cache.ExportTarget) (err error) {
		out, err = s.Export(t.Context(), to, roots, options)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// carryNames are the two names of each entry of index.json.
func carryNames(t *testing.T, from cache.ImportSource) []string {
	t.Helper()
	entries, err := from.Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Annotations[ocispec.AnnotationRefName]+" "+e.Annotations["io.containerd.image.name"])
	}
	slices.Sort(names)
	return names
}

// TestCarry carries a chart that was pulled and is partial, another of the same
// repository by its digest, and signatures, to a cache that sees no registry.
func TestCarry(t *testing.T) {
	carryBundles(t, func(t *testing.T, b carryBundle) {
		src := newCarry()
		first, _ := src.add("1.0.0", []byte("first"))
		second, _ := src.add("2.0.0", []byte("second"))
		signature := src.sign(first, "signature")
		src.sign(signature, "countersignature")
		src.tags[registry.ReferrersTag(second.Digest)+".sig"], _ = src.add("cosign", []byte("cosigned"))

		here, _ := newStore(t, "")
		mustPull(t, here.Through(src, team, cache.Policy{}), "1.0.0", []byte("first"))
		src.spent()
		out := b.export(t, here, cache.ExportOptions{Referrers: true},
			cache.ExportRoot{Reference: v1, From: src}, cache.ExportRoot{Reference: team.WithDigest(second.Digest), From: src})
		if len(out.Roots) != 3 || len(out.Roots[0].Referrers) != 2 || out.Written != out.Size || out.Contents == 0 {
			t.Errorf("exported %+v", out)
		}
		if want := 1; strings.Count(src.spent(), "Resolve") != want {
			t.Errorf("a tag that is here costs other than one request")
		}
		sigTag := registry.ReferrersTag(second.Digest) + ".sig"
		want := []string{" ", " ", " " + team.WithDigest(second.Digest).String(), "1.0.0 " + v1.String(), sigTag + " " + team.WithTag(sigTag).String()}
		if diff := cmp.Diff(want, carryNames(t, b.open(t))); diff != "" {
			t.Errorf("names: %s", diff)
		}

		again := b.export(t, here, cache.ExportOptions{Referrers: true}, cache.ExportRoot{Reference: v1, From: src})
		if again.Written != 0 {
			t.Errorf("again: %d bytes written", again.Written)
		}
		if diff := cmp.Diff(want, carryNames(t, b.open(t))); diff != "" {
			t.Errorf("names after the second export: %s", diff)
		}

		there, _ := newStore(t, "")
		in, err := there.Import(t.Context(), b.open(t), cache.ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(in.Roots) != 3 || in.Contents != out.Contents || in.Size != out.Size || in.Written != in.Size || len(in.Skipped) != 0 {
			t.Errorf("imported %+v, exported %+v", in, out)
		}
		i := slices.IndexFunc(in.Roots, func(r cache.ImportedRoot) bool { return r.Reference == v1 })
		if i < 0 || len(in.Roots[i].Referrers) != 2 {
			t.Errorf("imported %+v", in.Roots)
		}
		offline := there.Through(nil, team, cache.Policy{})
		mustPull(t, offline, "1.0.0", []byte("first"))
		mustPull(t, offline, second.Digest.String(), []byte("second"))
		for _, root := range []ocispec.Descriptor{first, second, signature} {
			if err := offline.Complete(t.Context(), root); err != nil {
				t.Errorf("not complete: %v", err)
			}
		}
		for e, err := range there.Entries(t.Context()) {
			if err != nil || !e.Held || !e.Complete || !e.Confirmed.IsZero() {
				t.Errorf("%+v, %v", e, err)
			}
		}
		var tags []string
		if err := offline.Tags(t.Context(), "", func(page []string) error { tags = append(tags, page...); return nil }); err != nil || !slices.Equal(tags, []string{"1.0.0", sigTag}) {
			t.Errorf("tags %q, %v", tags, err)
		}
		in, err = there.Import(t.Context(), b.open(t), cache.ImportOptions{})
		if err != nil || in.Written != 0 {
			t.Errorf("again: %+v, %v", in, err)
		}
		wantClean(t, there.Dir())
	})
}

// TestCarryPolicy: what a bundle says of a tag is nobody's confirmation.
func TestCarryPolicy(t *testing.T) {
	src := newCarry()
	src.add("1.0.0", []byte("old"))
	here, _ := newStore(t, "")
	b := carryBundle{path: filepath.Join(t.TempDir(), "bundle")}
	b.export(t, here, cache.ExportOptions{}, cache.ExportRoot{Reference: v1, From: src})
	there, _ := newStore(t, "")
	if _, err := there.Import(t.Context(), b.open(t), cache.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	src.spent()
	res := mustPull(t, there.Through(src, team, cache.Policy{MaxAge: cache.Forever}), "1.0.0", []byte("old"))
	if got := src.spent(); got != "Resolve" || res.Origin != cache.FromNetwork {
		t.Errorf("%s: %+v", got, res)
	}
	// Confirmed once, the tag is trusted, and is held all the same.
	mustPull(t, there.Through(src, team, cache.Policy{MaxAge: cache.Forever}), "1.0.0", []byte("old"))
	if got := src.spent(); got != "" {
		t.Errorf("confirmed: %s", got)
	}
	newer, _ := src.add("1.0.0", []byte("new"))
	mustPull(t, there.Through(src, team, cache.Policy{}), "1.0.0", []byte("new"))
	in, err := there.Import(t.Context(), b.open(t), cache.ImportOptions{})
	if err != nil || in.Roots[0].Was != newer.Digest {
		t.Errorf("was %+v, %v", in, err)
	}
	mustPull(t, there.Through(nil, team, cache.Policy{}), "1.0.0", []byte("old"))
	if err := there.Through(src, team, cache.Policy{}).Record(t.Context(), "1.0.0", newer); err != nil {
		t.Fatal(err)
	}
	if held := carryHeld(t, there); !slices.Equal(held, []string{v1.String()}) {
		t.Errorf("held after a push: %q", held)
	}
	other := v1
	other.Digest = newer.Digest // which was not imported
	if _, err := there.Release(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if held := carryHeld(t, there); !slices.Equal(held, []string{v1.String()}) {
		t.Errorf("held after the release of another digest: %q", held)
	}
	other.Digest = in.Roots[0].Descriptor.Digest
	if _, err := there.Release(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if held := carryHeld(t, there); len(held) != 0 {
		t.Errorf("held after the release: %q", held)
	}
	mustPull(t, there.Through(nil, team, cache.Policy{}), "1.0.0", []byte("new"))
}

func carryHeld(t *testing.T, s *cache.Store) (held []string) {
	t.Helper()
	for e, err := range s.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Held {
			held = append(held, e.Reference.String())
		}
	}
	return held
}

// TestExportMissing: what cannot be had is named in full, and nothing written.
func TestExportMissing(t *testing.T) {
	carryBundles(t, func(t *testing.T, b carryBundle) {
		src := newCarry()
		desc, layer := src.add("1.0.0", []byte("first"))
		here, _ := newStore(t, "")
		online := here.Through(src, team, cache.Policy{})
		if _, _, err := online.FetchManifest(t.Context(), "1.0.0"); err != nil {
			t.Fatal(err)
		}
		err := b.write(t, func(to cache.ExportTarget) error {
			_, err := here.Export(t.Context(), to, []cache.ExportRoot{{Reference: v1}, {Reference: team.WithTag("9.9.9")}}, cache.ExportOptions{Referrers: true})
			return err
		})
		in, ok := errors.AsType[*cache.IncompleteError](err)
		if !ok || !errors.Is(err, registry.ErrNotFound) || !errors.Is(err, cache.ErrNotCached) || len(in.Missing) != 4 {
			t.Fatalf("%v", err)
		}
		for _, want := range []string{v1.String(), layer.Digest.String(), "helm.config", "list of referrers " + desc.Digest.String(), team.WithTag("9.9.9").String() + ": reference"} {
			if want = strings.TrimSuffix(want, ": reference"); !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in: %v", want, err)
			}
		}
		if !b.tar {
			if names := carryNames(t, b.open(t)); len(names) != 0 {
				t.Errorf("written: %q", names)
			}
		} else if _, err := os.Stat(b.path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the tar file: %v", err)
		}
		err = b.write(t, func(to cache.ExportTarget) error {
			_, err := here.Export(t.Context(), to, []cache.ExportRoot{{Reference: team.WithTag("9.9.9"), From: src}}, cache.ExportOptions{})
			return err
		})
		if !errors.Is(err, registry.ErrNotFound) || errors.Is(err, cache.ErrNotCached) {
			t.Errorf("what the registry does not have: %v", err)
		}
		err = here.Through(nil, team, cache.Policy{}).Complete(t.Context(), desc)
		if in, ok = errors.AsType[*cache.IncompleteError](err); !ok || len(in.Missing) != 2 {
			t.Errorf("complete offline: %v", err)
		}
		if err := online.Complete(t.Context(), desc); err != nil {
			t.Fatal(err)
		}
		if err := here.Through(nil, team, cache.Policy{}).Complete(t.Context(), desc); err != nil {
			t.Errorf("complete after completion: %v", err)
		}
	})
}

// TestExportPinned: a chart that was packed here and never pushed is carried.
func TestExportPinned(t *testing.T) {
	src := newCarry()
	desc, _ := src.add("1.0.0", []byte("packed"))
	here, _ := newStore(t, "")
	if err := here.Through(src, team, cache.Policy{}).Complete(t.Context(), desc); err != nil {
		t.Fatal(err)
	}
	if err := here.Pin(t.Context(), v1, desc); err != nil {
		t.Fatal(err)
	}
	b := carryBundle{path: filepath.Join(t.TempDir(), "bundle")}
	out := b.export(t, here, cache.ExportOptions{Referrers: true}, cache.ExportRoot{Reference: v1, From: newCarry()})
	if len(out.Roots) != 1 || out.Roots[0].Origin != cache.FromCache {
		t.Errorf("%+v", out)
	}
	there, _ := newStore(t, "")
	if _, err := there.Import(t.Context(), b.open(t), cache.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	mustPull(t, there.Through(nil, team, cache.Policy{}), "1.0.0", []byte("packed"))
}

// TestExportNames: with a second repository the tags are no longer enough, and
// an entry of somebody else stays as it is.
func TestExportNames(t *testing.T) {
	src, other := newCarry(), newCarry()
	src.add("1.0.0", []byte("first"))
	other.add("1.0.0", []byte("other"))
	web := registry.Reference{Host: "registry.example.com", Repository: "team/web", Tag: "1.0.0"}
	here, _ := newStore(t, "")
	b := carryBundle{path: filepath.Join(t.TempDir(), "bundle")}
	b.export(t, here, cache.ExportOptions{}, cache.ExportRoot{Reference: v1, From: src})
	if got, want := carryNames(t, b.open(t)), []string{"1.0.0 " + v1.String()}; !slices.Equal(got, want) {
		t.Errorf("one repository: %q, want %q", got, want)
	}
	b.export(t, here, cache.ExportOptions{}, cache.ExportRoot{Reference: web, From: other})
	if got, want := carryNames(t, b.open(t)), []string{v1.String() + " " + v1.String(), web.String() + " " + web.String()}; !slices.Equal(got, want) {
		t.Errorf("two repositories: %q, want %q", got, want)
	}
	// A tag that moved takes its name along.
	src.add("1.0.0", []byte("moved"))
	b.export(t, here, cache.ExportOptions{}, cache.ExportRoot{Reference: v1, From: src})
	if got, want := carryNames(t, b.open(t)), []string{" ", v1.String() + " " + v1.String(), web.String() + " " + web.String()}; !slices.Equal(got, want) {
		t.Errorf("after a move: %q, want %q", got, want)
	}
	there, _ := newStore(t, "")
	in, err := there.Import(t.Context(), b.open(t), cache.ImportOptions{})
	if err != nil || len(in.Roots) != 2 || len(in.Skipped) != 1 {
		t.Fatalf("%+v, %v", in, err)
	}
	mustPull(t, there.Through(nil, team, cache.Policy{}), "1.0.0", []byte("moved"))
	mustPull(t, there.Through(nil, web, cache.Policy{}), "1.0.0", []byte("other"))
}

// TestCarryKept: collection leaves what was imported, with what refers to it,
// until that is released; Verify finds all of it as it should be.
func TestCarryKept(t *testing.T) {
	src := newCarry()
	first, _ := src.add("1.0.0", []byte("first"))
	second, _ := src.add("2.0.0", []byte("second"))
	signature := src.sign(first, "signature")
	countersignature := src.sign(signature, "countersignature")
	src.tags["1"] = first
	all := []ocispec.Descriptor{first, second, signature, countersignature}
	here, _ := newStore(t, "")
	b := carryBundle{path: filepath.Join(t.TempDir(), "bundle")}
	b.export(t, here, cache.ExportOptions{Referrers: true},
		cache.ExportRoot{Reference: v1, From: src}, cache.ExportRoot{Reference: team.WithTag("1"), From: src}, cache.ExportRoot{Reference: team.WithDigest(second.Digest), From: src})

	there, _ := newStore(t, "")
	if _, err := there.Import(t.Context(), b.open(t), cache.ImportOptions{Into: team}); err != nil {
		t.Fatal(err)
	}
	for fault, err := range there.Verify(t.Context(), cache.VerifyOptions{}) {
		t.Errorf("%+v, %v", fault, err)
	}
	offline := there.Through(nil, team, cache.Policy{})
	collect := func() (left int) {
		t.Helper()
		carryAge(t, there.Dir())
		if _, err := there.Collect(t.Context(), cache.Limits{MaxAge: time.Hour}, cache.CollectOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, desc := range all {
			if offline.Complete(t.Context(), desc) == nil {
				left++
			}
		}
		return left
	}
	if left := collect(); left != 4 {
		t.Errorf("%d of 4 are left", left)
	}
	for _, step := range []struct {
		ref  registry.Reference
		left int
	}{{team.WithTag("1"), 4}, {v1, 1}, {team.WithDigest(second.Digest), 0}, {team.WithTag("none"), 0}} {
		if _, err := there.Release(t.Context(), step.ref); err != nil {
			t.Fatal(err)
		}
		if left := collect(); left != step.left {
			t.Errorf("after the release of %s %d are left, want %d", step.ref, left, step.left)
		}
	}
	if _, err := there.Release(t.Context(), team); !errors.Is(err, registry.ErrInvalidReference) {
		t.Errorf("release of a repository: %v", err)
	}
}

// carryAge lets all that lies in a cache have been used two days ago.
func carryAge(t *testing.T, dir string) {
	t.Helper()
	then := time.Now().Add(-48 * time.Hour)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chtimes(path, then, then)
	})
	if err != nil {
		t.Fatal(err)
	}
}
