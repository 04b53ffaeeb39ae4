package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/registry"
)

// referrerList is what came along that refers to a manifest of a repository.
type referrerList struct {
	subject   registry.Reference // its digest decides
	referrers []ocispec.Descriptor
}

// referrers brings what refers to the manifests of the roots, and what refers
// to that. What is left, has no name and refers to nothing, is a root by its
// digest where the caller has a repository for it.
func (im *importing) referrers(ctx context.Context) error {
	bySubject, rest, err := im.bySubject(ctx)
	if err != nil {
		return err
	}
	for _, desc := range rest {
		if im.into.IsZero() || im.seen[desc.Digest] {
			continue
		}
		root := &ImportedRoot{Reference: im.into.WithDigest(desc.Digest), Descriptor: desc}
		im.roots = append(im.roots, root)
		if err := im.addRoot(ctx, root); err != nil {
			return err
		}
	}
	// Several tags may name one manifest.
	done := map[registry.Reference][]ocispec.Descriptor{}
	for _, root := range im.roots {
		at := root.Reference.Repo().WithDigest(root.Descriptor.Digest)
		all, ok := done[at]
		if !ok {
			if all, err = im.refer(ctx, at, bySubject); err != nil {
				return err
			}
			done[at] = all
		}
		root.Referrers = all
	}
	return nil
}

// bySubject reads the manifests of the layout that say to what they refer. The
// rest are those without a name that refer to nothing.
func (im *importing) bySubject(ctx context.Context) (found map[digest.Digest][]ocispec.Descriptor, rest []ocispec.Descriptor, err error) {
	found = map[digest.Digest][]ocispec.Descriptor{}
	read := map[digest.Digest]bool{}
	entries := append([]ocispec.Descriptor{}, im.unnamed...)
	for _, root := range im.roots {
		entries = append(entries, root.Descriptor)
	}
	for i := 0; i < len(entries); i++ { // it grows
		entry := entries[i]
		if read[entry.Digest] {
			continue
		}
		read[entry.Digest] = true
		desc, m, err := im.candidate(ctx, entry)
		if err != nil {
			return nil, nil, err
		}
		switch unnamed := i < len(im.unnamed); {
		case m == nil:
		case m.Subject != nil:
			found[m.Subject.Digest] = append(found[m.Subject.Digest], desc)
		case unnamed && referrersTag.MatchString(entry.Annotations[ocispec.AnnotationRefName]):
			for _, listed := range m.Manifests {
				if len(entries) < maxCarried && checkDescriptor(listed) == nil {
					entries = append(entries, plain(listed))
				}
			}
		case unnamed:
			rest = append(rest, desc)
		}
	}
	return found, rest, nil
}

// candidate reads an entry that may be wanted. What is no manifest, or not in
// the layout, has none.
func (im *importing) candidate(ctx context.Context, entry ocispec.Descriptor) (ocispec.Descriptor, *ocijson.Manifest, error) {
	desc, err := im.manifestOf(ctx, entry)
	var data []byte
	if err == nil {
		data, err = im.peek(ctx, desc)
	}
	if errors.Is(err, registry.ErrUnsupported) || errors.Is(err, registry.ErrNotFound) {
		return desc, nil, nil
	}
	if err != nil {
		return desc, nil, err
	}
	m, err := ocijson.Parse(data)
	if err != nil {
		return desc, nil, &registry.Error{Op: "read", Reference: registry.Reference{Digest: desc.Digest}, Err: fmt.Errorf("manifest %w", err)}
	}
	return desc, m, nil
}

// refer brings what refers to the closure of a root, and what refers to that.
func (im *importing) refer(ctx context.Context, root registry.Reference, bySubject map[digest.Digest][]ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	var all []ocispec.Descriptor
	taken := map[digest.Digest]bool{}
	queue := append([]ocispec.Descriptor{}, im.manifests[root.Digest]...)
	for ; len(queue) > 0; queue = queue[1:] {
		list := bySubject[queue[0].Digest]
		if len(list) == 0 && !im.complete[root.Digest] {
			continue // not to have been asked is no news that there are none
		}
		if im.listed += 1 + len(list); im.listed > maxCarried {
			return nil, fmt.Errorf("%s: %w of %d referrers", root, limit.ErrExceeded, maxCarried)
		}
		im.lists = append(im.lists, referrerList{root.WithDigest(queue[0].Digest), list})
		for _, desc := range list {
			if taken[desc.Digest] {
				continue
			}
			taken[desc.Digest] = true
			if err := im.add(ctx, root, desc); err != nil {
				return nil, err
			}
			all, queue = append(all, desc), append(queue, desc)
		}
	}
	return all, nil
}

// maxListed bounds the manifests of which one list of referrers is made, since
// their annotations are in it: it is kept up to 4 MiB.
const maxListed = 16 << 20

// keepList holds the referrers, and lets the list be answered offline.
func (im *importing) keepList(ctx context.Context, list referrerList) error {
	var full []ocispec.Descriptor
	size := 0
	for _, desc := range list.referrers {
		data, err := im.store.readManifest(ctx, desc)
		if err != nil {
			return err
		}
		if _, err := im.hold(list.subject.WithDigest(desc.Digest), desc, list.subject.Digest); err != nil {
			return err
		}
		if size += len(data); size <= maxListed {
			full = append(full, asReferrer(desc, data))
		}
	}
	if size > maxListed {
		im.store.log.Warn("list of referrers is too long to be kept", "subject", list.subject)
		return nil
	}
	im.dirs.file(im.store.part("referrers", hashName(list.subject.Name()), "list"))
	err := im.store.holdReferrers(list.subject, full)
	if errors.Is(err, limit.ErrExceeded) {
		im.store.log.Warn("list of referrers is too long to be kept", "subject", list.subject, "error", err)
		return nil
	}
	return err
}

// asReferrer describes a manifest as a registry's list of referrers does (OCI
// distribution spec 1.1, Listing Referrers).
func asReferrer(desc ocispec.Descriptor, data []byte) ocispec.Descriptor {
	var m struct {
		ArtifactType string              `json:"artifactType"`
		Config       *ocispec.Descriptor `json:"config"`
		Annotations  map[string]string   `json:"annotations"`
	}
	if json.Unmarshal(data, &m) != nil {
		return desc
	}
	if m.ArtifactType == "" && m.Config != nil {
		m.ArtifactType = m.Config.MediaType
	}
	desc.ArtifactType, desc.Annotations = m.ArtifactType, m.Annotations
	return desc
}
