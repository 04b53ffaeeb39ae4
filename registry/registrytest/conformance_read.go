package registrytest

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

func (t *trial) resolvesTo(ctx context.Context, reference string, want ocispec.Descriptor) error {
	got, err := t.repo.Resolve(ctx, reference)
	if err != nil {
		return err
	}
	if got.Digest != want.Digest || got.Size != want.Size || got.MediaType != want.MediaType {
		return fmt.Errorf("%s is %s %s of %d bytes, not %s %s of %d",
			reference, got.MediaType, got.Digest, got.Size, want.MediaType, want.Digest, want.Size)
	}
	return nil
}

func (t *trial) resolve(ctx context.Context) error {
	if err := t.resolvesTo(ctx, t.tag("a"), t.manifest.desc); err != nil {
		return err
	}
	return t.resolvesTo(ctx, t.manifest.desc.Digest.String(), t.manifest.desc)
}

// resolveVersion: no tag holds a "+".
func (t *trial) resolveVersion(ctx context.Context) error {
	version := "0.1.0-conformance." + t.id
	if err := t.putTag(ctx, t.manifest, version+"_build.1"); err != nil {
		return err
	}
	return t.resolvesTo(ctx, version+"+build.1", t.manifest.desc)
}

func (t *trial) fetchManifest(ctx context.Context) error {
	for _, reference := range []string{t.tag("a"), t.manifest.desc.Digest.String()} {
		desc, rc, err := t.repo.FetchReference(ctx, reference)
		if err := expect(t.manifest.content, rc, err); err != nil {
			return err
		}
		if desc.Digest != t.manifest.desc.Digest {
			return fmt.Errorf("described as %s", desc.Digest)
		}
	}
	rc, err := t.repo.Fetch(ctx, t.manifest.desc)
	return expect(t.manifest.content, rc, err)
}

func (t *trial) fetchBlob(ctx context.Context) error {
	rc, err := t.repo.Fetch(ctx, t.layer.desc)
	return expect(t.layer.content, rc, err)
}

// fetchAtOnce is sixteen pulls of one chart at a time.
func (t *trial) fetchAtOnce(ctx context.Context) error {
	failed := make(chan error)
	const pulls = 16
	for range pulls {
		go func() {
			err := t.resolve(ctx)
			if err == nil {
				err = t.fetchBlob(ctx)
			}
			failed <- err
		}()
	}
	var all error
	for range pulls {
		all = errors.Join(all, <-failed)
	}
	return all
}

func (t *trial) missing(ctx context.Context) error {
	none := digest.FromString("never pushed " + t.id)
	_, byTag := t.repo.Resolve(ctx, t.tag("never"))
	_, byDigest := t.repo.Resolve(ctx, none.String())
	_, _, fetched := t.repo.FetchReference(ctx, t.tag("never"))
	_, blob := t.repo.Fetch(ctx, ocispec.Descriptor{MediaType: chartContentType, Digest: none, Size: 1})
	for what, err := range map[string]error{"resolve a tag": byTag, "resolve a digest": byDigest, "fetch a tag": fetched, "fetch a blob": blob} {
		if !errors.Is(err, registry.ErrNotFound) {
			return fmt.Errorf("%s: %w, want ErrNotFound", what, orNil(err))
		}
	}
	for _, mediaType := range []string{chartContentType, ocispec.MediaTypeImageManifest} {
		if ok, err := t.repo.Exists(ctx, ocispec.Descriptor{MediaType: mediaType, Digest: none, Size: 1}); ok || err != nil {
			return fmt.Errorf("what is not there exists: %t, %w", ok, orNil(err))
		}
	}
	return nil
}

var errNil = errors.New("no error")

// orNil lets an error be wrapped that may be none.
func orNil(err error) error {
	if err == nil {
		return errNil
	}
	return err
}

// missingRepository: a registry may hide which repositories there are.
func (t *trial) missingRepository(ctx context.Context) error {
	ref := t.repo.Reference()
	ref.Repository += "-never-" + t.id
	other, err := t.client.Repository(ref)
	if err != nil {
		return err
	}
	_, resolved := other.Resolve(ctx, "never")
	listed := other.Tags(ctx, "", func([]string) error { return nil })
	for what, err := range map[string]error{"resolve": resolved, "list tags": listed} {
		known := errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrUnauthorized) || errors.Is(err, registry.ErrDenied)
		if !known && (err != nil || what == "resolve") { // an empty list is as good
			return fmt.Errorf("%s: %w, want ErrNotFound, ErrUnauthorized or ErrDenied", what, orNil(err))
		}
	}
	return nil
}
