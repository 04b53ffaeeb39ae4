package cache_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

var (
	team = registry.Reference{Host: "registry.example.com", Repository: "team/app"}
	v1   = team.WithTag("1.0.0")
)

// fakeSource is a repository in memory that counts what it is asked for. It
// has no optional role; fullSource has.
type fakeSource struct {
	mu       sync.Mutex
	content  map[digest.Digest][]byte
	tags     map[string]ocispec.Descriptor
	calls    map[string]int
	body     func([]byte) io.Reader // how Fetch delivers; nil: as it is
	fetchErr error
}

type fullSource struct{ *fakeSource }

func newFake() *fakeSource {
	return &fakeSource{content: map[digest.Digest][]byte{}, tags: map[string]ocispec.Descriptor{}, calls: map[string]int{}}
}

// add lets the source have a chart's manifest in the shape of Helm's, without
// a media type, under tag, and returns it and its layer.
func (f *fakeSource) add(tag string, layer []byte) (manifest, layerDesc ocispec.Descriptor) {
	config := []byte(`{"name":"app","version":"` + tag + `","apiVersion":"v2"}`)
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}}
	m.Config = describe("application/vnd.cncf.helm.config.v1+json", config)
	m.Layers = []ocispec.Descriptor{describe("application/vnd.cncf.helm.chart.content.v1.tar+gzip", layer)}
	data, _ := json.Marshal(m) // plain values
	desc := describe(ocispec.MediaTypeImageManifest, data)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.content[desc.Digest], f.content[m.Config.Digest], f.content[m.Layers[0].Digest] = data, config, layer
	f.tags[tag] = desc
	return desc, m.Layers[0]
}

func (f *fakeSource) count(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[what]++
}

// spent returns what was asked for since the last call, as "Fetch Resolve".
func (f *fakeSource) spent() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, what := range slices.Sorted(maps.Keys(f.calls)) {
		for range f.calls[what] {
			all = append(all, what)
		}
	}
	clear(f.calls)
	return strings.Join(all, " ")
}

func (f *fakeSource) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	f.count("Resolve")
	return f.resolve(reference)
}

func (f *fakeSource) resolve(reference string) (ocispec.Descriptor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if desc, ok := f.tags[reference]; ok {
		return desc, nil
	}
	if data, ok := f.content[digest.Digest(reference)]; ok {
		return describe(ocispec.MediaTypeImageManifest, data), nil
	}
	return ocispec.Descriptor{}, registry.ErrNotFound
}

func (f *fakeSource) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	f.count("Fetch")
	return f.open(desc)
}

func (f *fakeSource) open(desc ocispec.Descriptor) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fetchErr != nil {
		return nil, f.fetchErr
	}
	data, ok := f.content[desc.Digest]
	if !ok {
		return nil, registry.ErrNotFound
	}
	if f.body != nil {
		return io.NopCloser(f.body(data)), nil
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (f *fakeSource) Exists(ctx context.Context, desc ocispec.Descriptor) (bool, error) {
	f.count("Exists")
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.content[desc.Digest]
	return ok, nil
}

func (f fullSource) FetchReference(ctx context.Context, reference string) (ocispec.Descriptor, io.ReadCloser, error) {
	f.count("FetchReference")
	desc, err := f.resolve(reference)
	if err != nil {
		return desc, nil, err
	}
	body, err := f.open(desc)
	return desc, body, err
}

func (f fullSource) Tags(ctx context.Context, last string, fn func([]string) error) error {
	f.count("Tags")
	f.mu.Lock()
	tags := slices.Sorted(maps.Keys(f.tags))
	f.mu.Unlock()
	return fn(slices.DeleteFunc(tags, func(tag string) bool { return tag <= last }))
}

// onRead does something before each read is answered.
type onRead struct {
	r    io.Reader
	then func()
}

func (o onRead) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	o.then()
	return n, err
}

func describe(mediaType string, data []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

// noise is content of n bytes that nothing compresses, the same for each seed.
func noise(n int, seed uint64) []byte {
	data := make([]byte, n)
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	source.Read(data)
	return data
}

// newStore opens a cache in dir, or in a new one, whose log it returns.
func newStore(t testing.TB, dir string) (*cache.Store, *logBuffer) {
	t.Helper()
	if dir == "" {
		dir = filepath.Join(t.TempDir(), "cache")
	}
	log := &logBuffer{}
	s, err := cache.Open(dir, &cache.Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return s, log
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func blobPath(s *cache.Store, desc ocispec.Descriptor) string {
	return filepath.Join(s.Dir(), "blobs", desc.Digest.Algorithm().String(), desc.Digest.Encoded())
}

// wantClean fails when something is left in ingest/ or under a temporary name.
func wantClean(t testing.TB, dir string) {
	t.Helper()
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if filepath.Base(filepath.Dir(path)) == "ingest" || strings.HasPrefix(d.Name(), ".") {
			t.Errorf("left behind: %s", path)
		}
		return nil
	})
}

// pull does what a pull of a chart does: manifest by reference, then the layer.
func pull(ctx context.Context, src *cache.Source, reference string) (layer []byte, res cache.Resolution, err error) {
	data, res, err := src.FetchManifest(ctx, reference)
	if err != nil {
		return nil, res, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, res, err
	}
	c, err := src.Open(ctx, m.Layers[0])
	if err != nil {
		return nil, res, err
	}
	layer, err = io.ReadAll(c)
	return layer, res, errors.Join(err, c.Close())
}

func mustPull(t testing.TB, src *cache.Source, reference string, want []byte) cache.Resolution {
	t.Helper()
	got, res, err := pull(context.Background(), src, reference)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("pull %s: %d bytes, want other %d", reference, len(got), len(want))
	}
	return res
}

func fetch(ctx context.Context, src registry.Source, desc ocispec.Descriptor) ([]byte, error) {
	body, err := src.Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(body)
	return data, errors.Join(err, body.Close())
}

func put(t testing.TB, s *cache.Store, desc ocispec.Descriptor, data []byte) {
	t.Helper()
	if err := s.Put(context.Background(), desc, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}
