package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/registry"
)

// maxMarker bounds the file oci-layout, which has 30 bytes.
const maxMarker = 4 << 10

// marker is the file oci-layout as it is written.
const marker = `{"imageLayoutVersion":"` + ocispec.ImageLayoutVersion + `"}`

// ErrNotLayout: the directory or file is no OCI image layout of version 1.
var ErrNotLayout = errors.New("not an OCI image layout")

// check reads the file oci-layout.
func (c *content) check() error {
	data, err := c.readFile(ocispec.ImageLayoutFile, maxMarker)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: it has no file %s", ErrNotLayout, ocispec.ImageLayoutFile)
	}
	if err != nil {
		return err
	}
	var found ocispec.ImageLayout
	if err := json.Unmarshal(data, &found); err != nil {
		return fmt.Errorf("%w: %s: %v", ErrNotLayout, ocispec.ImageLayoutFile, err)
	}
	if !strings.HasPrefix(found.Version, "1.") {
		return fmt.Errorf("%w: its version is %.100q, and 1 is known", ErrNotLayout, found.Version)
	}
	return nil
}

func (c *content) readFile(name string, most int64) ([]byte, error) {
	f, err := c.files.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := limit.ReadAll(io.NewSectionReader(f, 0, f.Size()), most)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// index reads index.json, anew each time: others may have written it.
func (c *content) index(ctx context.Context) (*ocispec.Index, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, err := c.readFile(ocispec.ImageIndexFile, maxManifest)
	if err != nil {
		return nil, err
	}
	return parseIndex(data)
}

func parseIndex(data []byte) (*ocispec.Index, error) {
	if _, err := ocijson.Parse(data); err != nil {
		return nil, fmt.Errorf("%s %w", ocispec.ImageIndexFile, err)
	}
	index := new(ocispec.Index)
	if err := json.Unmarshal(data, index); err != nil {
		return nil, fmt.Errorf("%s: %w", ocispec.ImageIndexFile, err)
	}
	return index, nil
}

func newIndex() *ocispec.Index {
	return &ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
}

// encode writes an index that can be read again.
func encode(index *ocispec.Index) ([]byte, error) {
	data, err := json.Marshal(index)
	if err != nil {
		return nil, err
	}
	if _, err := ocijson.Parse(data); err != nil {
		return nil, fmt.Errorf("%s would be one that %w", ocispec.ImageIndexFile, err)
	}
	return data, nil
}

// Entries returns what index.json lists, as it stands there: the manifests
// with a tag, once for each tag, and those without. Nobody has checked them.
func (c *content) Entries(ctx context.Context) ([]ocispec.Descriptor, error) {
	index, err := c.index(ctx)
	if err != nil {
		return nil, c.fail("list", err)
	}
	return index.Manifests, nil
}

// Tags calls fn once with all tags after last, sorted, as registry.TagLister
// says, unless there are none. A name that no registry would take as a tag is
// left out, such as the whole reference that some tools write; Resolve knows
// it.
func (c *content) Tags(ctx context.Context, last string, fn func(tags []string) error) error {
	index, err := c.index(ctx)
	if err != nil {
		return c.fail("list tags", err)
	}
	if found := tags(index, last); len(found) > 0 {
		return fn(found)
	}
	return nil
}

func tags(index *ocispec.Index, last string) []string {
	found := map[string]bool{}
	for _, entry := range index.Manifests {
		tag := registry.TagOfVersion(entry.Annotations[ocispec.AnnotationRefName])
		if registry.ValidTag(tag) && tag > last {
			found[tag] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// addManifest lists a manifest in the index, without a tag, unless it is there;
// what it names itself needs no entry of its own, so that a layout of one image
// index has one entry. It tells whether it changed anything.
func addManifest(index *ocispec.Index, desc ocispec.Descriptor, data []byte) bool {
	before := len(index.Manifests)
	if m, err := ocijson.Parse(data); err == nil && len(m.Manifests) > 0 {
		index.Manifests = slices.DeleteFunc(index.Manifests, func(entry ocispec.Descriptor) bool {
			return entry.Annotations[ocispec.AnnotationRefName] == "" && hasDigest(m.Manifests, entry.Digest)
		})
	}
	if hasDigest(index.Manifests, desc.Digest) {
		return len(index.Manifests) != before
	}
	index.Manifests = append(index.Manifests, ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size})
	return true
}

func hasDigest(list []ocispec.Descriptor, d digest.Digest) bool {
	return slices.ContainsFunc(list, func(has ocispec.Descriptor) bool { return has.Digest == d })
}

// setTag lets the tag name a manifest, and nothing else. What it named before
// stays, without a tag. It tells whether it changed anything.
func setTag(index *ocispec.Index, desc ocispec.Descriptor, tag string) bool {
	changed := false
	for i, entry := range index.Manifests {
		if tagged(entry, tag) && entry.Digest != desc.Digest {
			index.Manifests[i], changed = withTag(entry, ""), true
		}
	}
	if slices.ContainsFunc(index.Manifests, func(entry ocispec.Descriptor) bool { return tagged(entry, tag) }) {
		return changed
	}
	for i, entry := range index.Manifests {
		if entry.Digest == desc.Digest && entry.Annotations[ocispec.AnnotationRefName] == "" {
			index.Manifests[i] = withTag(entry, tag)
			return true
		}
	}
	entry := ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size}
	index.Manifests = append(index.Manifests, withTag(entry, tag))
	return true
}

// withTag returns the entry with another tag, or, for an empty one, without.
// A whole reference goes with the tag that is in it.
func withTag(entry ocispec.Descriptor, tag string) ocispec.Descriptor {
	entry.Annotations = maps.Clone(entry.Annotations)
	delete(entry.Annotations, ocispec.AnnotationRefName)
	delete(entry.Annotations, ocijson.AnnotationImageName)
	if tag != "" {
		if entry.Annotations == nil {
			entry.Annotations = map[string]string{}
		}
		entry.Annotations[ocispec.AnnotationRefName] = tag
	}
	return entry
}
