package chart_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/heap"
	"github.com/portolan-oci/portolan/registry"
)

func TestPackIsASource(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{"Chart.yaml": "apiVersion: v2\nname: pier\nversion: 1.0.0+b.2\n"})
	path, _, err := chart.PackageFile(t.Context(), dir, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".prov", []byte("of another archive"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := chart.Pack(t.Context(), path, nil); !errors.Is(err, chart.ErrVerification) || !strings.Contains(err.Error(), ".prov") {
		t.Errorf("with the signature of another archive: %v", err)
	}
	if err := os.WriteFile(path+".prov", []byte("signed: "+digest.FromBytes(archive).String()), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := chart.Pack(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	var src registry.Source = p
	for _, ref := range []string{"1.0.0+b.2", "1.0.0_b.2", p.Manifest.Digest.String()} {
		if d, err := src.Resolve(t.Context(), ref); err != nil || d.Digest != p.Manifest.Digest {
			t.Errorf("Resolve(%s) = %v, %v", ref, d, err)
		}
	}
	for _, d := range p.Descriptors() {
		if ok, err := src.Exists(t.Context(), d); !ok || err != nil {
			t.Errorf("Exists(%s) = %v, %v", d.MediaType, ok, err)
		}
		r, err := src.Fetch(t.Context(), ocispec.Descriptor{Digest: d.Digest, Size: d.Size})
		if got := read(t, r, err); digest.FromString(got) != d.Digest || int64(len(got)) != d.Size {
			t.Errorf("%s: %d bytes that are not %s", d.MediaType, len(got), d.Digest)
		}
		r, err = src.Fetch(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		first, err := io.ReadAll(r)
		if at, serr := r.(io.Seeker).Seek(0, io.SeekStart); err != nil || serr != nil || at != 0 {
			t.Fatal(err, serr)
		}
		if second, err := io.ReadAll(r); err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s: rewound reading differs, %v", d.MediaType, err)
		}
		if _, err := r.(io.Seeker).Seek(3, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(first[3:], rest) {
			t.Errorf("%s: resumed reading differs, %v", d.MediaType, err)
		}
	}
	r, err := src.Fetch(t.Context(), *p.Provenance)
	if got := read(t, r, err); got != "signed: "+p.Layer.Digest.String() {
		t.Errorf("provenance = %q", got)
	}
	var m ocispec.Manifest
	r, err = src.Fetch(t.Context(), p.Manifest)
	if err := json.Unmarshal([]byte(read(t, r, err)), &m); err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(m.Layers, func(a, b ocispec.Descriptor) int { return strings.Compare(string(a.Digest), string(b.Digest)) }) || len(m.Layers) != 2 {
		t.Errorf("layers = %v", m.Layers)
	}
	if _, found := m.Annotations[ocispec.AnnotationCreated]; found {
		t.Error("created is set")
	}
	if _, err := src.Resolve(t.Context(), "latest"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("Resolve(latest) = %v", err)
	}
	other := ocispec.Descriptor{Digest: digest.FromString("other"), Size: 5}
	if _, err := src.Fetch(t.Context(), other); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("Fetch(other) = %v", err)
	}
	if ok, err := src.Exists(t.Context(), other); ok || err != nil {
		t.Errorf("Exists(other) = %v, %v", ok, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestPackNoticesAChangedArchive(t *testing.T) {
	path, _, err := chart.PackageFile(t.Context(), "testdata/charts/mariner", t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := chart.Pack(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte("changed"), 50)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := p.Fetch(t.Context(), p.Layer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, registry.ErrDigestMismatch) {
		t.Errorf("error = %v, want ErrDigestMismatch", err)
	}
}

func TestPackOptions(t *testing.T) {
	const dir = "testdata/charts/mariner"
	path, _, err := chart.PackageFile(t.Context(), dir, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	digestOf := func(path string, opts *chart.PackOptions) digest.Digest {
		t.Helper()
		p, err := chart.Pack(t.Context(), path, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		return p.Manifest.Digest
	}
	if a, b := digestOf(dir, nil), digestOf(path, nil); a != b {
		t.Errorf("the directory's manifest is %s, its archive's %s", a, b)
	}
	if a, b := digestOf(dir, nil), digestOf(dir, &chart.PackOptions{Created: "2024-01-02T03:04:05Z"}); a == b {
		t.Error("created changed nothing")
	}
	p, err := chart.Pack(t.Context(), dir, &chart.PackOptions{PackageOptions: chart.PackageOptions{Version: "9.0.0", AppVersion: "10"}})
	if err != nil || p.Metadata.Version != "9.0.0" || p.Metadata.AppVersion != "10" {
		t.Errorf("Pack = %v, %v", p, err)
	}
	big := write(t, t.TempDir(), map[string]string{"Chart.yaml": chartYAML + "annotations:\n  a: &a " + strings.Repeat("x", 100_000) + aliases(50)})
	for name, tc := range map[string]struct {
		path string
		opts chart.PackOptions
		want error
	}{
		"created is no time":     {dir, chart.PackOptions{Created: "yesterday"}, nil},
		"version of an archive":  {path, chart.PackOptions{PackageOptions: chart.PackageOptions{Version: "9.0.0"}}, nil},
		"no provenance there":    {dir, chart.PackOptions{Provenance: path + ".none"}, fs.ErrNotExist},
		"huge provenance":        {path, chart.PackOptions{Provenance: largeFile(t, 2<<20)}, chart.ErrTooLarge},
		"nothing there":          {path + ".none", chart.PackOptions{}, fs.ErrNotExist},
		"not a chart":            {t.TempDir(), chart.PackOptions{}, chart.ErrNotChart},
		"limits":                 {path, chart.PackOptions{PackageOptions: chart.PackageOptions{Limits: chart.Limits{Entries: 1}}}, chart.ErrTooLarge},
		"manifest beyond limits": {big, chart.PackOptions{}, chart.ErrTooLarge},
	} {
		if _, err := chart.Pack(t.Context(), tc.path, &tc.opts); err == nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: error = %v, want %v", name, err, tc.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, path := range []string{dir, path} {
		if _, err := chart.Pack(ctx, path, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("Pack(%s) = %v, want context.Canceled", path, err)
		}
	}
}

// aliases makes a small Chart.yaml a large manifest.
func aliases(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "\n  a%d: *a", i)
	}
	return b.String()
}

func largeFile(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "large")
	if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Truncate(path, size)); err != nil {
		t.Fatal(err)
	}
	return path
}

// largeArchive writes an archive of about 80 MB that does not compress.
func largeArchive(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "large-1.0.0.tgz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	zw, err := gzip.NewWriterLevel(f, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	tw := tar.NewWriter(zw)
	add := func(name string, size int64, r io.Reader) {
		if err := tw.WriteHeader(&tar.Header{Name: "large/" + name, Mode: 0o644, Size: size}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(tw, r, size); err != nil {
			t.Fatal(err)
		}
	}
	const text = "apiVersion: v2\nname: large\nversion: 1.0.0\n"
	add("Chart.yaml", int64(len(text)), strings.NewReader(text))
	random := rand.NewChaCha8([32]byte{})
	for i := range 16 {
		add(fmt.Sprintf("files/%02d", i), 5<<20, random)
	}
	if err := errors.Join(tw.Close(), zw.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLargeArchivesStream(t *testing.T) {
	const budget = 16 << 20
	path := largeArchive(t)
	dir := t.TempDir()
	for name, f := range map[string]func() error{
		"Pack and Fetch": func() error {
			p, err := chart.Pack(t.Context(), path, nil)
			if err != nil {
				return err
			}
			defer p.Close()
			r, err := p.Fetch(t.Context(), p.Layer)
			if err != nil {
				return err
			}
			n, err := io.Copy(io.Discard, r)
			if n < 80<<20 {
				err = errors.Join(err, fmt.Errorf("%d bytes", n))
			}
			return errors.Join(err, r.Close())
		},
		"Read and Entries": func() error {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			a, err := chart.Read(f, nil)
			if err != nil {
				return err
			}
			defer a.Close()
			for e, err := range a.Entries() {
				if err != nil {
					return err
				}
				out, err := os.Create(filepath.Join(dir, strings.ReplaceAll(e.Name, "/", "_")))
				if err != nil {
					return err
				}
				_, err = io.Copy(out, e)
				if err := errors.Join(err, out.Close()); err != nil {
					return err
				}
			}
			return nil
		},
		"Package": func() error {
			from := write(t, t.TempDir(), map[string]string{"Chart.yaml": chartYAML, "x": ""})
			for i := range 4 { // 25 MB: deflate is slow
				write(t, from, map[string]string{fmt.Sprintf("%d->", i): "x"})
			}
			if err := os.Truncate(filepath.Join(from, "x"), 5<<20); err != nil {
				return err
			}
			_, err := chart.Package(t.Context(), from, io.Discard, nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			grown := heap.Growth(func() { err = f() })
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("heap grew by %.1f MiB", float64(grown)/(1<<20))
			if grown > budget {
				t.Errorf("heap grew by %d bytes, more than %d", grown, budget)
			}
		})
	}
}

func TestManifestAnnotations(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{"Chart.yaml": chartYAML + "annotations: {org.opencontainers.image.created: mine, org.opencontainers.image.title: not mine}\n"})
	p, err := chart.Pack(t.Context(), dir, &chart.PackOptions{Created: "2024-01-02T03:04:05Z"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r, err := p.Fetch(t.Context(), p.Manifest)
	l, err := chart.ReadManifest([]byte(read(t, r, err)), ocispec.MediaTypeImageManifest)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{ocispec.AnnotationCreated: "mine", ocispec.AnnotationTitle: "pier", ocispec.AnnotationVersion: "1.2.3"}
	if diff := cmp.Diff(want, l.Annotations); diff != "" {
		t.Error(diff)
	}
	if l.Config.Digest != p.Config.Digest || l.Chart.Digest != p.Layer.Digest || l.Provenance != nil {
		t.Errorf("Layers = %+v", l)
	}
}
