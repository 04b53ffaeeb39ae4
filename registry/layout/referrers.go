package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/registry"
)

// Referrers calls fn once with the manifests whose subject is desc, as
// registry.ReferrerLister says, unless there are none. They are looked for in
// index.json, where oras lists them, and in the list under the tag of the
// referrers tag schema, which regctl writes. Each manifest there is read; one
// that is missing refers to nothing, and one that is bad is an error.
func (c *content) Referrers(ctx context.Context, desc ocispec.Descriptor, artifactType string, fn func(referrers []ocispec.Descriptor) error) error {
	all, err := c.referrers(ctx, desc, artifactType)
	if err != nil {
		return c.fail(fmt.Sprintf("list referrers of %.150s", desc.Digest), err)
	}
	if len(all) == 0 {
		return nil
	}
	return fn(all)
}

func (c *content) referrers(ctx context.Context, subject ocispec.Descriptor, artifactType string) ([]ocispec.Descriptor, error) {
	if err := checkDescriptor(subject); err != nil {
		return nil, err
	}
	index, err := c.index(ctx)
	if err != nil {
		return nil, err
	}
	candidates := index.Manifests
	listed, err := c.listUnderTag(ctx, index, registry.ReferrersTag(subject.Digest))
	if err != nil {
		return nil, err
	}
	candidates = append(candidates, listed...)
	var all []ocispec.Descriptor
	seen := map[digest.Digest]bool{}
	for _, entry := range candidates {
		if seen[entry.Digest] || checkDescriptor(entry) != nil {
			continue
		}
		seen[entry.Digest] = true
		data, err := c.read(ctx, entry)
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if found, ok := refers(data, entry, subject.Digest); ok && (artifactType == "" || found.ArtifactType == artifactType) {
			all = append(all, found)
		}
	}
	return all, nil
}

// listUnderTag reads the index that a tag names, if it names one.
func (c *content) listUnderTag(ctx context.Context, index *ocispec.Index, tag string) ([]ocispec.Descriptor, error) {
	for _, entry := range index.Manifests {
		if !tagged(entry, tag) || checkDescriptor(entry) != nil {
			continue
		}
		data, err := c.read(ctx, entry)
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		m, err := ocijson.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("list of referrers %w", err)
		}
		return m.Manifests, nil
	}
	return nil, nil
}

// refers describes a manifest as a list of referrers does, if its subject is
// that one.
func refers(data []byte, desc ocispec.Descriptor, subject digest.Digest) (ocispec.Descriptor, bool) {
	m, err := ocijson.Parse(data)
	if err != nil || !m.RefersTo(subject) {
		return ocispec.Descriptor{}, false
	}
	var kind struct {
		ArtifactType string `json:"artifactType"`
	}
	if json.Unmarshal(data, &kind) != nil {
		return ocispec.Descriptor{}, false
	}
	if kind.ArtifactType == "" && m.Config != nil {
		kind.ArtifactType = m.Config.MediaType
	}
	mediaType := desc.MediaType
	if mediaType == "" {
		mediaType, _ = ocijson.Sniff(data)
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: desc.Digest, Size: desc.Size,
		ArtifactType: kind.ArtifactType, Annotations: m.Annotations}, true
}
