package chart_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/content/oci"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/layout"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// from and to are the ends at a registry.
func (h *harbour) from(t *testing.T, ref registry.Reference) chart.CopySource {
	t.Helper()
	end, err := h.client.CopyFrom(ref)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

func (h *harbour) to(t *testing.T, ref registry.Reference) chart.CopyTarget {
	t.Helper()
	end, err := h.client.CopyTo(ref)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// quay is a second registry for the same client.
func quay(t *testing.T, options registrytest.Options) (*registrytest.Server, registry.Reference) {
	t.Helper()
	s := registrytest.New(&options)
	t.Cleanup(s.Close)
	return s, registry.Reference{Host: s.Host, Repository: "mirror/voyage"}
}

func createLayout(t *testing.T) *layout.Dir {
	t.Helper()
	d, err := layout.Create(t.Context(), filepath.Join(t.TempDir(), "layout"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// whole reads all content of a chart, through its manifest.
func whole(t *testing.T, src registry.Source, desc ocispec.Descriptor) map[digest.Digest]string {
	t.Helper()
	all := map[digest.Digest]string{}
	get := func(d ocispec.Descriptor) []byte {
		rc, err := src.Fetch(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		defer rc.Close()
		data, err := io.ReadAll(rc)
		if err != nil || digest.FromBytes(data) != d.Digest {
			t.Fatalf("%s: %v", d.Digest, err)
		}
		all[d.Digest] = string(data)
		return data
	}
	layers, err := chart.ReadManifest(get(desc), desc.MediaType)
	if err != nil {
		t.Fatal(err)
	}
	get(layers.Config)
	get(layers.Chart)
	return all
}

// TestCopyEnds copies from every kind of source to every kind of target.
func TestCopyEnds(t *testing.T) {
	ctx := t.Context()
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	packed := voyage(t, "1.0.0")
	dir := createLayout(t)
	if _, err := h.client.Copy(ctx, chart.CopySource{Source: packed}, chart.CopyTarget{Target: dir}, chart.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	sources := map[string]chart.CopySource{
		"tag":              h.from(t, h.repo.WithTag("1.0.0")),
		"newest":           h.from(t, h.repo),
		"digest":           h.from(t, h.repo.WithDigest(packed.Manifest.Digest)),
		"layout":           {Source: dir, Reference: registry.Reference{Tag: "1.0.0"}},
		"layout by digest": {Source: dir, Reference: registry.Reference{Digest: packed.Manifest.Digest}},
		"newest in layout": {Source: dir},
		"packed":           {Source: packed},
	}
	targets := map[string]func(t *testing.T) chart.CopyTarget{
		"registry": func(t *testing.T) chart.CopyTarget { _, ref := quay(t, registrytest.Options{}); return h.to(t, ref) },
		"mounting": func(t *testing.T) chart.CopyTarget {
			return h.to(t, registry.Reference{Host: h.Host, Repository: "mirror/" + strings.ReplaceAll(strings.ToLower(filepath.Base(t.Name())), " ", "-")})
		},
		"layout": func(t *testing.T) chart.CopyTarget { return chart.CopyTarget{Target: createLayout(t)} },
		"tar": func(t *testing.T) chart.CopyTarget {
			w, err := layout.CreateTar(ctx, filepath.Join(t.TempDir(), "l.tar"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { w.Close() })
			return chart.CopyTarget{Target: w}
		},
		"oras memory": func(t *testing.T) chart.CopyTarget { return chart.CopyTarget{Target: memory.New()} },
		"oras layout": func(t *testing.T) chart.CopyTarget {
			s, err := oci.New(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			return chart.CopyTarget{Target: s}
		},
	}
	for from, source := range sources {
		for to, target := range targets {
			t.Run(from+" to "+to, func(t *testing.T) {
				end := target(t)
				copied, err := h.client.Copy(ctx, source, end, chart.CopyOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if copied.Manifest.Digest != packed.Manifest.Digest || copied.Reference.Tag != "1.0.0" || copied.Exists {
					t.Errorf("%+v", copied)
				}
				total := packed.Layer.Size + packed.Config.Size + packed.Manifest.Size
				if n := copied.Sent + copied.Mounted + copied.Existed; n != total {
					t.Errorf("%d bytes sent, %d mounted, %d there; want %d in all", copied.Sent, copied.Mounted, copied.Existed, total)
				}
				there, err := end.Target.Resolve(ctx, "1.0.0")
				if err != nil || there.Digest != packed.Manifest.Digest {
					t.Fatalf("there: %v, %v", there, err)
				}
				if got := whole(t, end.Target, packed.Manifest); got[packed.Layer.Digest] == "" {
					t.Error("no layer")
				}
				again, err := h.client.Copy(ctx, source, end, chart.CopyOptions{})
				if err != nil || !again.Exists || again.Sent+again.Mounted != 0 {
					t.Errorf("again: %+v, %v", again, err)
				}
			})
		}
	}
}

func TestCopyToArchive(t *testing.T) {
	ctx := t.Context()
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0", "1.1.0")
	want, err := io.ReadAll(voyage(t, "1.0.0").Archive().Reader())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, tc := range []struct {
		name, path, version string
		force               bool
		want                error
		exists              bool
	}{
		{"directory", filepath.Join(dir, "charts"), "1.0.0", false, nil, false},
		{"again", filepath.Join(dir, "charts"), "1.0.0", false, nil, true},
		{"file", filepath.Join(dir, "x.tgz"), "1.0.0", false, nil, false},
		{"other content", filepath.Join(dir, "x.tgz"), "1.1.0", false, registry.ErrExists, false},
		{"forced", filepath.Join(dir, "x.tgz"), "1.1.0", true, nil, false},
		{"forced back", filepath.Join(dir, "x.tgz"), "1.0.0", true, nil, false},
		{"no such version", filepath.Join(dir, "y.tgz"), "3.0.0", false, registry.ErrNotFound, false},
	} {
		copied, err := h.client.Copy(ctx, h.from(t, h.repo.WithTag(tc.version)), chart.CopyTarget{Archive: tc.path}, chart.CopyOptions{Force: tc.force})
		if !errors.Is(err, tc.want) || tc.want == nil && (err != nil || copied.Exists != tc.exists) {
			t.Errorf("%s: %+v, %v", tc.name, copied, err)
		}
	}
	for _, path := range []string{filepath.Join(dir, "charts", "voyage-1.0.0.tgz"), filepath.Join(dir, "x.tgz")} {
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: other bytes, %v", path, err)
		}
	}
	if _, err := h.client.Copy(ctx, h.from(t, h.repo), chart.CopyTarget{Archive: dir}, chart.CopyOptions{Referrers: true}); !errors.Is(err, registry.ErrUnsupported) {
		t.Errorf("referrers in an archive: %v", err)
	}
}

func TestCopyBudget(t *testing.T) {
	ctx := t.Context()
	for _, scheme := range schemes {
		t.Run(scheme.name, func(t *testing.T) {
			h := newHarbour(t, scheme.options, cache.Policy{})
			if _, err := h.client.Push(ctx, voyage(t, "1.0.0"), h.repo, chart.PushOptions{}); err != nil {
				t.Fatal(err)
			}
			target := registry.Reference{Host: h.Host, Repository: "mirror/voyage"}
			source := h.from(t, h.repo.WithTag("1.0.0"))
			h.Reset()
			copied, err := h.client.Copy(ctx, source, h.to(t, target), chart.CopyOptions{})
			if err != nil || copied.Mounted == 0 {
				t.Fatal(copied, err)
			}
			if c := h.Cost(); c.Methods() != "GET HEAD POST POST PUT" || c.Received != copied.Sent || c.Tokens > 1 {
				t.Errorf("within one registry: %s, %d bytes sent", c, copied.Sent)
			}
			h.Reset()
			if again, err := h.client.Copy(ctx, source, h.to(t, target), chart.CopyOptions{}); err != nil || !again.Exists {
				t.Fatal(again, err)
			}
			h.costs(t, "copy again", "GET HEAD", 0)

			other, elsewhere := quay(t, registrytest.Options{})
			if _, err := h.client.Copy(ctx, source, h.to(t, elsewhere), chart.CopyOptions{}); err != nil {
				t.Fatal(err)
			}
			h.costs(t, "copy to another registry, at the source", "GET GET GET", 0)
			methods := strings.Fields(other.Cost().Methods())
			slices.Sort(methods)
			if got := strings.Join(methods, " "); got != "HEAD HEAD HEAD POST POST PUT PUT PUT" {
				t.Errorf("at the target: %s", got)
			}
		})
	}
}

// TestCopyWithinARepository sets a further tag.
func TestCopyWithinARepository(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	h.Reset()
	copied, err := h.client.Copy(t.Context(), h.from(t, h.repo.WithTag("1.0.0")), h.to(t, h.repo.WithTag("edge")), chart.CopyOptions{})
	if err != nil || copied.Sent != copied.Manifest.Size || copied.Reference.Tag != "edge" {
		t.Fatal(copied, err)
	}
	h.costs(t, "further tag", "GET HEAD HEAD HEAD PUT", 0)
}

func TestCopyWithoutMounts(t *testing.T) {
	ctx := t.Context()
	h := newHarbour(t, registrytest.Options{NoMount: true}, cache.Policy{})
	h.push(t, "1.0.0")
	copied, err := h.client.Copy(ctx, h.from(t, h.repo), h.to(t, registry.Reference{Host: h.Host, Repository: "mirror/voyage"}), chart.CopyOptions{})
	if err != nil || copied.Mounted != 0 || copied.Sent == 0 {
		t.Errorf("%+v, %v", copied, err)
	}
}

// put pushes a document as a manifest.
func put(t *testing.T, repo registry.Target, mediaType, tag string, document any) ocispec.Descriptor {
	t.Helper()
	data, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if err := repo.Push(t.Context(), desc, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if tag != "" {
		if err := repo.Tag(t.Context(), desc, tag); err != nil {
			t.Fatal(err)
		}
	}
	return desc
}

// artifact pushes a container image, or a referrer of a subject.
func artifact(t *testing.T, repo registry.Target, tag, layer string, subject *ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	blob := func(mediaType, text string) ocispec.Descriptor {
		d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromString(text), Size: int64(len(text))}
		if err := repo.Push(t.Context(), d, strings.NewReader(text)); err != nil && !errors.Is(registry.WrapError("push", registry.Reference{}, err), registry.ErrExists) {
			t.Fatal(err)
		}
		return d
	}
	return put(t, repo, ocispec.MediaTypeImageManifest, tag, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2},
		Config: blob(ocispec.MediaTypeImageConfig, "{}"), Layers: []ocispec.Descriptor{blob("application/octet-stream", layer)}, Subject: subject})
}

func TestCopyRules(t *testing.T) {
	ctx := t.Context()
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0", "1.1.0")
	repo := h.from(t, h.repo).Source.(*registry.Repository)
	artifact(t, repo, "image", "layer", nil)
	_, there := quay(t, registrytest.Options{})
	target := h.to(t, there)
	artifact(t, target.Target, "image", "layer", nil)
	other := voyage(t, "1.0.0", []byte("# other")...)
	stamped, err := chart.PackArchive(ctx, archive(t, []byte(read(t, voyage(t, "1.1.0").Archive().Reader(), nil)), nil), &chart.PackOptions{Created: "2026-01-02T03:04:05Z"})
	if err != nil {
		t.Fatal(err)
	}
	defer stamped.Close()
	for _, packed := range []*chart.Packed{other, stamped} {
		if _, err := h.client.Push(ctx, packed, there, chart.PushOptions{Tags: []string{"latest"}}); err != nil {
			t.Fatal(err)
		}
	}
	mine, err := repo.Resolve(ctx, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, from, to string
		options        chart.CopyOptions
		want           error
		exists         bool
	}{
		{"an image", "image", "new", chart.CopyOptions{}, chart.ErrNotChart, false},
		{"an image, forced", "image", "new", chart.CopyOptions{Force: true}, chart.ErrNotChart, false},
		{"no such tag", "9.9.9", "", chart.CopyOptions{}, chart.ErrNoMatch, false},
		{"other content", "1.0.0", "", chart.CopyOptions{}, registry.ErrExists, false},
		{"over an image", "1.0.0", "image", chart.CopyOptions{}, registry.ErrExists, false},
		{"another version", "1.0.0", "2.0.0", chart.CopyOptions{}, registry.ErrInvalidReference, false},
		{"same chart, stamped", "1.1.0", "", chart.CopyOptions{}, nil, true},
		{"same chart, with referrers", "1.1.0", "", chart.CopyOptions{Referrers: true}, registry.ErrExists, false},
		{"a tag that moves", "1.0.0", "latest", chart.CopyOptions{}, nil, false},
		{"a new tag", "1.0.0", "edge", chart.CopyOptions{}, nil, false},
		{"forced", "1.0.0", "", chart.CopyOptions{Force: true}, nil, false},
		{"range", "", "", chart.CopyOptions{Selector: chart.Selector{Version: "<1.1"}}, nil, true},
		{"range without a match", "", "", chart.CopyOptions{Selector: chart.Selector{Version: ">7"}}, chart.ErrNoMatch, false},
	} {
		ref := h.repo
		if tc.from != "" {
			ref = ref.WithTag(tc.from)
		}
		end := target
		end.Reference.Tag = tc.to
		copied, err := h.client.Copy(ctx, h.from(t, ref), end, tc.options)
		switch {
		case !errors.Is(err, tc.want), tc.want == nil && err != nil:
			t.Errorf("%s: error = %v, want %v", tc.name, err, tc.want)
		case err == nil && copied.Exists != tc.exists:
			t.Errorf("%s: exists %v", tc.name, copied.Exists)
		case err == nil && !tc.exists:
			if now, err := end.Target.Resolve(ctx, copied.Reference.Tag); err != nil || now.Digest != mine.Digest {
				t.Errorf("%s: the target has %v, %v", tc.name, now, err)
			}
		}
	}
	end := target
	end.Reference.Digest = other.Manifest.Digest
	if _, err := h.client.Copy(ctx, h.from(t, h.repo.WithTag("1.0.0")), end, chart.CopyOptions{}); !errors.Is(err, registry.ErrInvalidReference) {
		t.Errorf("another digest: %v", err)
	}
}

// TestCopyGoesOn: a copy that failed half-way sends only the rest, and the tag
// is not there before all else is.
func TestCopyGoesOn(t *testing.T) {
	ctx := t.Context()
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	packed := voyage(t, "1.0.0", noise(200<<10)...)
	if _, err := h.client.Push(ctx, packed, h.repo, chart.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, fault := range map[string]registrytest.Faults{
		"before the manifest": {Status: 503, Match: func(r *http.Request) bool { return r.Method == "PUT" && registrytest.Manifests(r) }},
		"within the blobs":    {Cut: true, Match: func(r *http.Request) bool { return r.Method == "PUT" && r.ContentLength > 100<<10 }},
	} {
		t.Run(name, func(t *testing.T) {
			other, there := quay(t, registrytest.Options{})
			other.SetFaults(&fault)
			source, target := h.from(t, h.repo.WithTag("1.0.0")), h.to(t, there)
			if _, err := h.client.Copy(ctx, source, target, chart.CopyOptions{}); !errors.Is(err, registry.ErrUnavailable) {
				t.Fatalf("error = %v", err)
			}
			if _, err := target.Target.Resolve(ctx, "1.0.0"); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("the tag is there: %v", err)
			}
			other.SetFaults(nil)
			copied, err := h.client.Copy(ctx, source, target, chart.CopyOptions{})
			if err != nil || name == "before the manifest" && copied.Sent != packed.Manifest.Size {
				t.Fatal(copied, err)
			}
			whole(t, target.Target, packed.Manifest)
		})
	}
	other, there := quay(t, registrytest.Options{})
	h.SetFaults(&registrytest.Faults{Corrupt: true, Match: registrytest.Blobs})
	if _, err := h.client.Copy(ctx, h.from(t, h.repo), h.to(t, there), chart.CopyOptions{}); !errors.Is(err, registry.ErrDigestMismatch) {
		t.Errorf("corrupt source: %v", err)
	}
	if _, err := h.to(t, there).Target.Resolve(ctx, "1.0.0"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the tag is there, after %s: %v", other.Cost(), err)
	}
}
