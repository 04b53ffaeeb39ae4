package registrytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// refusedToWrite makes the refusals that registries give for a delete, or for
// moving a tag, the outcome that they are.
func refusedToWrite(err error) error {
	if errors.Is(err, registry.ErrDenied) || errors.Is(err, registry.ErrUnauthorized) {
		return unsupported("not with these credentials: %v", err)
	}
	return err
}

// untag takes one of two tags, and looks for the manifest and the other.
func (t *trial) untag(ctx context.Context) error {
	o, err := t.image("untagged", nil)
	if err != nil {
		return err
	}
	gone, kept := t.tag("gone"), t.tag("kept")
	for _, tag := range []string{gone, kept} {
		if err := t.putTag(ctx, o, tag); err != nil {
			return err
		}
	}
	if err := t.repo.Untag(ctx, gone); err != nil {
		return refusedToWrite(err)
	}
	if _, err := t.repo.Resolve(ctx, gone); !errors.Is(err, registry.ErrNotFound) {
		return fmt.Errorf("the tag is still there: %w", orNil(err))
	}
	if err := t.resolvesTo(ctx, kept, o.desc); errors.Is(err, registry.ErrNotFound) {
		return unsupported("with a tag goes its manifest")
	} else if err != nil {
		return err
	}
	if err := t.repo.Untag(ctx, gone); !errors.Is(err, registry.ErrNotFound) && err != nil {
		return fmt.Errorf("once more: %w, want ErrNotFound or none", err)
	}
	return nil
}

func (t *trial) deleteManifest(ctx context.Context) error {
	o, err := t.image("deleted", nil)
	if err != nil {
		return err
	}
	t.manifests = append(t.manifests, o.desc)
	if err := t.repo.Push(ctx, o.desc, bytes.NewReader(o.content)); err != nil {
		return err
	}
	if err := t.repo.Delete(ctx, o.desc); err != nil {
		return refusedToWrite(err)
	}
	if ok, err := t.repo.Exists(ctx, o.desc); ok || err != nil {
		return fmt.Errorf("the manifest is still there: %t, %w", ok, orNil(err))
	}
	return nil
}

// cleanUpTime is for some forty small requests, also after the caller's time
// is over.
const cleanUpTime = 30 * time.Second

// cleanUp removes what the checks have made. Where blobs cannot be deleted, the
// registry's collector takes them.
func (t *trial) cleanUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	list := referrersTag(t.manifest.desc.Digest)
	if desc, err := t.repo.Resolve(ctx, list); err == nil {
		t.tags, t.manifests = append(t.tags, list), append(t.manifests, desc)
	}
	for _, tag := range t.tags {
		_ = t.repo.Untag(ctx, tag) // those that stay go with their manifests
	}
	slices.Reverse(t.manifests) // an index before what it names: zot refuses the other way round
	for _, desc := range t.manifests {
		if err := t.repo.Delete(ctx, desc); err != nil && !errors.Is(err, registry.ErrNotFound) {
			return refusedToWrite(fmt.Errorf("manifests stay: %w", err))
		}
	}
	if left, err := t.leftTags(ctx); err != nil || len(left) > 0 {
		return fmt.Errorf("tags stay: %q, %w", left, orNil(err))
	}
	err := removeBlobs(ctx, t.repo, t.blobs)
	if t.mounted != nil {
		err = errors.Join(err, removeBlobs(ctx, t.mounted, []ocispec.Descriptor{t.layer.desc}))
	}
	if err != nil {
		return unsupported("blobs are left to the collector: %v", err)
	}
	return nil
}

func removeBlobs(ctx context.Context, repo *registry.Repository, blobs []ocispec.Descriptor) error {
	for _, desc := range blobs {
		if err := repo.Delete(ctx, desc); err != nil && !errors.Is(err, registry.ErrNotFound) {
			return err
		}
	}
	return nil
}

// leftTags are those of this trial that are still listed. A repository without
// any may be gone altogether.
func (t *trial) leftTags(ctx context.Context) (left []string, err error) {
	all, err := t.tagsAfter(ctx, "")
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	for _, tag := range all {
		if strings.Contains(tag, t.id) {
			left = append(left, tag)
		}
	}
	return left, err
}
