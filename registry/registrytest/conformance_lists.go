package registrytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

func (t *trial) listTags(ctx context.Context) error {
	all, err := t.tagsAfter(ctx, "")
	if err != nil {
		return err
	}
	for _, want := range []string{t.tag("a"), t.tag("b")} {
		if n := count(all, want); n != 1 {
			return fmt.Errorf("tag %s is listed %d times", want, n)
		}
	}
	return nil
}

func count(all []string, want string) (n int) {
	for _, tag := range all {
		if tag == want {
			n++
		}
	}
	return n
}

func (t *trial) tagsAfter(ctx context.Context, last string) (all []string, err error) {
	err = t.repo.Tags(ctx, last, func(tags []string) error {
		all = append(all, tags...)
		return nil
	})
	return all, err
}

func (t *trial) listTagsAfter(ctx context.Context) error {
	all, err := t.tagsAfter(ctx, t.tag("a"))
	if err != nil {
		return err
	}
	if slices.Contains(all, t.tag("a")) {
		return unsupported("the list begins anew, whatever tag it shall follow")
	}
	none := t.tag("a") + "-gone" // and before b, where there is an order
	if all, err = t.tagsAfter(ctx, none); err != nil {
		return fmt.Errorf("after what is no tag: %w", err)
	}
	if slices.Contains(all, t.tag("a")) {
		return unsupported("the list begins anew after what is no tag")
	}
	if n := count(all, t.tag("b")); n != 1 {
		return fmt.Errorf("after what is no tag, tag %s is listed %d times", t.tag("b"), n)
	}
	return nil
}

func (t *trial) referTo(ctx context.Context) error {
	for _, note := range []string{"signature", "attestation"} {
		o, err := t.image(note, &t.manifest.desc)
		if err != nil {
			return err
		}
		t.manifests = append(t.manifests, o.desc)
		if err := t.repo.Push(ctx, o.desc, bytes.NewReader(o.content)); err != nil {
			return err
		}
	}
	return t.refers(ctx, "", 2)
}

func (t *trial) referToType(ctx context.Context) error {
	return t.refers(ctx, "application/vnd.portolan.conformance.signature", 1)
}

func (t *trial) refers(ctx context.Context, kind string, want int) error {
	var all []ocispec.Descriptor
	for d, err := range registry.Referrers(ctx, t.repo, t.manifest.desc, kind) {
		if err != nil {
			return err
		}
		all = append(all, d)
	}
	if len(all) != want {
		return fmt.Errorf("%d referrers, want %d", len(all), want)
	}
	return nil
}

func (t *trial) mount(ctx context.Context) error {
	ref := t.repo.Reference()
	ref.Repository += "-mounted"
	other, err := t.client.Repository(ref)
	if err != nil {
		return err
	}
	other = other.WithActions(registry.ActionPull, registry.ActionPush).WithSource(t.repo.Reference())
	mounted, err := other.Mount(ctx, t.layer.desc, t.repo.Reference())
	switch {
	case err != nil:
		return err
	case !mounted:
		return unsupported("the blob is to be sent")
	}
	t.mounted = other
	rc, err := other.Fetch(ctx, t.layer.desc)
	return expect(t.layer.content, rc, err)
}

// catalog: an administrator's list is none for others.
func (t *trial) catalog(ctx context.Context) error {
	for name, err := range t.client.Repositories(ctx, t.repo.Reference().Host) {
		if errors.Is(err, registry.ErrUnauthorized) || errors.Is(err, registry.ErrDenied) {
			return unsupported("not for these credentials: %v", err)
		}
		if err != nil {
			return err
		}
		if name == t.repo.Reference().Repository {
			return nil
		}
	}
	return unsupported("the list leaves this repository out")
}

// capabilities are asked for once; what could not be found out may be asked
// for again.
func (t *trial) capabilities(ctx context.Context) error {
	ref := t.repo.Reference()
	ref.Tag = t.tag("a")
	first, err := t.client.Capabilities(ctx, ref)
	if err != nil {
		return err
	}
	again, err := t.client.Capabilities(ctx, ref)
	if err != nil {
		return err
	}
	if again.Requests > 0 && again.Requests >= first.Requests {
		return fmt.Errorf("%d requests at first, and %d for what is known", first.Requests, again.Requests)
	}
	return nil
}
