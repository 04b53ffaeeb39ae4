package chart

import (
	"context"
	"errors"
	"fmt"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// PushOptions are for one Push.
type PushOptions struct {
	// Force puts the chart where something else stands: other content under
	// the same version, or an image.
	Force bool
	// Tags are further tags for the same manifest: one HEAD and one PUT each.
	// The rules of the reference's own tag hold for them: a full version must
	// be the chart's, and what stands there is replaced only if it is a chart
	// and the tag no version.
	Tags []string
}

// Pushed tells what a Push did.
type Pushed struct {
	// Reference is where the chart is now: tag and digest set. Where it was
	// there already, the digest is that of the manifest that was found.
	Reference registry.Reference
	// Manifest describes that manifest.
	Manifest ocispec.Descriptor
	// Tags are the further tags that were set.
	Tags []string
	// Exists tells that the chart was there already and nothing was sent.
	Exists bool
	// Sent counts the bytes of manifests and blobs that were uploaded.
	Sent int64
}

// Push sends a packed chart to ref. A reference without a tag gets that of
// the chart's version; one with a digest must name the manifest that is sent.
// A new chart costs one HEAD for the tag, POST and PUT for each blob, a HEAD
// before them for blobs of more than 64 KiB, and the PUT of the manifest;
// the same chart again costs one HEAD. Blobs are streamed.
//
// A version that holds the same config and layers already, under whatever
// manifest, exists: nothing is sent. One that holds something else is left
// alone and the error matches registry.ErrExists; so is a tag that is no
// version, such as latest or 1.2, and names something that is no chart. Force
// sends all the same. A tag that is another full version than the chart's own
// is registry.ErrInvalidReference.
//
// When a further tag cannot be set, the chart is there all the same: Pushed
// comes beside the error then, and is nil beside any other.
func (c *Client) Push(ctx context.Context, packed *Packed, ref registry.Reference, options PushOptions) (*Pushed, error) {
	if packed == nil || packed.Metadata == nil {
		return nil, errors.New("push: nothing is packed")
	}
	target, err := pushReference("push", packed, ref)
	if err != nil {
		return nil, err
	}
	options.Tags = slices.Clone(options.Tags)
	for i, tag := range options.Tags {
		further, err := pushReference("push", packed, ref.WithTag(tag))
		if err != nil {
			return nil, err
		}
		options.Tags[i] = further.Tag
	}
	repo, err := c.registry.Repository(target)
	if err != nil {
		return nil, err
	}
	p := &pusher{packed: packed, options: options,
		repo: repo.WithActions(registry.ActionPull, registry.ActionPush)}
	done, err := p.push(ctx, target)
	if done != nil {
		c.remember(ctx, packed, done)
	}
	return done, err
}

// remember tells the cache what the tags name now. The push stands whether or
// not the cache takes it: a tag it missed is confirmed again by policy.
func (c *Client) remember(ctx context.Context, packed *Packed, done *Pushed) {
	if done.Manifest.Digest == packed.Manifest.Digest {
		_ = c.keepContent(ctx, packed, packed.Manifest)
	}
	src := c.cache.Through(nil, done.Reference, c.policy)
	for _, tag := range append([]string{done.Reference.Tag}, done.Tags...) {
		_ = src.Record(ctx, tag, done.Manifest)
	}
}

// pushReference completes the reference by the chart, or refuses it.
func pushReference(op string, packed *Packed, ref registry.Reference) (registry.Reference, error) {
	refuse := func(format string, args ...any) (registry.Reference, error) {
		return ref, &registry.Error{Op: op, Reference: ref, Kind: registry.ErrInvalidReference, Err: fmt.Errorf(format, args...)}
	}
	if ref.Digest != "" && ref.Digest != packed.Manifest.Digest {
		return refuse("the chart's manifest is %s", packed.Manifest.Digest)
	}
	if ref.Tag == "" {
		ref = ref.WithTag(packed.Metadata.Version)
	}
	if !registry.ValidTag(ref.Tag) {
		return refuse("%q is no tag", ref.Tag)
	}
	if tagged, ok := versionOf(ref.Tag); ok && !tagged.parsed.IsShort() {
		own, err := version.Parse(packed.Metadata.Version)
		if err != nil || !version.SameVersion(tagged.parsed, own) {
			return refuse("the tag is another version than the chart's own, %s", packed.Metadata.Version)
		}
	}
	return ref.WithDigest(packed.Manifest.Digest), nil
}
