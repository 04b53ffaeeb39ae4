package cache_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// faultsSource is a repository with one chart and every role.
type faultsSource struct {
	fullSource
	manifest, config, layer ocispec.Descriptor
}

func newFaultsSource(t testing.TB) *faultsSource {
	t.Helper()
	f := &faultsSource{fullSource: fullSource{newFake()}}
	f.manifest, f.layer = f.add("1.0.0", noise(300, 90))
	var m ocispec.Manifest
	if err := json.Unmarshal(f.content[f.manifest.Digest], &m); err != nil {
		t.Fatal(err)
	}
	f.config = m.Config
	return f
}

// Referrers knows one signature.
func (f *faultsSource) Referrers(_ context.Context, _ ocispec.Descriptor, _ string, fn func([]ocispec.Descriptor) error) error {
	f.count("Referrers")
	return fn([]ocispec.Descriptor{{
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/vnd.example.signature",
		Digest: describe("", []byte("signature")).Digest, Size: 9,
	}})
}

// faultsPin is the reference under which the same chart was packed here.
var faultsPin = team.WithTag("1.0.0-packed")

// use does all that one does with a cache in reach of the registry, with tags
// that are confirmed and with tags that are trusted, and returns what is wrong.
// Nothing may be, whatever the directory is like.
func (f *faultsSource) use(ctx context.Context, s *cache.Store) error {
	for _, policy := range []cache.Policy{{}, {MaxAge: time.Hour}} {
		src := s.Through(f, team, policy)
		data, res, err := src.FetchManifest(ctx, "1.0.0")
		if err != nil || res.Descriptor.Digest != f.manifest.Digest || !bytes.Equal(data, f.content[f.manifest.Digest]) {
			return fmt.Errorf("manifest by tag: %s, %q, %w", res.Descriptor.Digest, data, err)
		}
		if data, _, err = src.FetchManifest(ctx, string(f.manifest.Digest)); err != nil || !bytes.Equal(data, f.content[f.manifest.Digest]) {
			return fmt.Errorf("manifest by digest: %q, %w", data, err)
		}
		if desc, err := src.Resolve(ctx, "1.0.0"); err != nil || desc.Digest != f.manifest.Digest {
			return fmt.Errorf("resolve: %s, %w", desc.Digest, err)
		}
		for name, desc := range map[string]ocispec.Descriptor{"config": f.config, "layer": f.layer} {
			c, err := src.Open(ctx, desc)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			data, err := io.ReadAll(c)
			if err := errors.Join(err, c.Close()); err != nil || !bytes.Equal(data, f.content[desc.Digest]) {
				return fmt.Errorf("%s: %d bytes, %w", name, len(data), err)
			}
			if data, err = fetch(ctx, src, desc); err != nil || !bytes.Equal(data, f.content[desc.Digest]) {
				return fmt.Errorf("fetch %s: %d bytes, %w", name, len(data), err)
			}
		}
		var tags []string
		if err := src.Tags(ctx, "", func(page []string) error { tags = append(tags, page...); return nil }); err != nil || len(tags) != 1 {
			return fmt.Errorf("tags: %q, %w", tags, err)
		}
		var signatures []ocispec.Descriptor
		err = src.Referrers(ctx, f.manifest, "", func(page []ocispec.Descriptor) error {
			signatures = append(signatures, page...)
			return nil
		})
		if err != nil || len(signatures) != 1 {
			return fmt.Errorf("referrers: %v, %w", signatures, err)
		}
		for _, name := range []string{"2.0.0", digest.FromString("nowhere").String()} {
			if _, err := src.Resolve(ctx, name); !errors.Is(err, registry.ErrNotFound) {
				return fmt.Errorf("%s, which is not there: %w", name, err)
			}
		}
	}
	for _, err := range s.Entries(ctx) {
		if err != nil && !isObstacle(err) {
			return fmt.Errorf("entries: %w", err)
		}
	}
	return nil
}

// isObstacle tells of a directory that cannot be listed: Entries says so.
func isObstacle(err error) bool {
	_, ok := errors.AsType[*fs.PathError](err)
	return ok
}

// pack keeps the same chart under a name of its own, unless it is kept: what
// somebody would do who was told that it is lost.
func (f *faultsSource) pack(ctx context.Context, s *cache.Store) error {
	if desc, err := s.Pinned(ctx, faultsPin); err == nil && desc.Digest == f.manifest.Digest {
		return nil
	}
	for _, desc := range []ocispec.Descriptor{f.layer, f.config, f.manifest} {
		if err := s.Put(ctx, desc, bytes.NewReader(f.content[desc.Digest])); err != nil {
			return err
		}
	}
	return s.Pin(ctx, faultsPin, f.manifest)
}

// faultsCache makes a cache with a file of every kind, and tells what using it
// costs when nothing is wrong.
func faultsCache(t testing.TB) (f *faultsSource, s *cache.Store, log *logBuffer, budget string) {
	t.Helper()
	f = newFaultsSource(t)
	s, log = newStore(t, "")
	ctx := context.Background()
	for range 2 {
		if err := errors.Join(f.use(ctx, s), f.pack(ctx, s)); err != nil {
			t.Fatal(err)
		}
	}
	f.spent()
	if err := f.use(ctx, s); err != nil {
		t.Fatal(err)
	}
	budget = f.spent()
	faultsWant(t, s, cache.VerifyOptions{})
	return f, s, log, budget
}

// faultsFound runs Verify.
func faultsFound(t testing.TB, s *cache.Store, options cache.VerifyOptions) (all []cache.Fault) {
	t.Helper()
	for fault, err := range s.Verify(context.Background(), options) {
		if err != nil {
			t.Fatal(err)
		}
		if fault.Problem == "" || !filepath.IsAbs(fault.Path) || strings.Contains(fault.Problem, "\n") {
			t.Errorf("fault %+v", fault)
		}
		all = append(all, fault)
	}
	return all
}

// faultsWant runs Verify, which shall tell of these paths and no other.
func faultsWant(t testing.TB, s *cache.Store, options cache.VerifyOptions, paths ...string) {
	t.Helper()
	left := map[string]bool{}
	for _, path := range paths {
		left[path] = true
	}
	for _, fault := range faultsFound(t, s, options) {
		if !left[fault.Path] {
			t.Errorf("Verify tells of %+v", fault)
		}
		delete(left, fault.Path)
	}
	for path := range left {
		t.Errorf("Verify does not tell of %s", path)
	}
}

// faultsFiles lists the files of a cache, and its directories, itself included.
func faultsFiles(t testing.TB, dir string) (files, dirs []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			dirs = append(dirs, path)
		default:
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, dirs
}

// faultsSoon fails when do takes so long that it must be waiting for something.
func faultsSoon(t testing.TB, do func(ctx context.Context) error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- do(context.Background()) }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("it waits")
		return nil
	}
}

// kindOf is the part of the directory that a path belongs to, for the names of
// tests.
func kindOf(dir, path string) string {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return path
	}
	var short []string
	for _, elem := range strings.Split(filepath.ToSlash(rel), "/") {
		short = append(short, fmt.Sprintf("%.12s", elem))
	}
	return strings.Join(short, ":")
}

// faultsCopy copies a cache, with the times of its files.
func faultsCopy(t testing.TB, from string) (to string) {
	t.Helper()
	to = filepath.Join(t.TempDir(), "cache")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	files, _ := faultsFiles(t, from)
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(strings.Replace(path, from, to, 1), time.Time{}, info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	return to
}
