package chart

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// CopySource is what a Copy reads.
type CopySource struct {
	// Source holds the chart: a repository (see Client.CopyFrom), an OCI
	// layout, a *Packed, a cache before a repository if the copy shall fill it,
	// any target of oras-go. It needs registry.TagLister for a range, and
	// registry.ReferrerLister where CopyOptions.Referrers are wanted.
	Source registry.Source
	// Reference names the chart in Source: by its digest, else by its tag, else
	// as CopyOptions.Selector chooses. Host and repository are those of a
	// registry's source, and empty for any other. For a *Packed the zero
	// Reference is the chart itself.
	Reference registry.Reference
}

// CopyTarget is where a Copy writes: Target, or Archive.
type CopyTarget struct {
	// Target takes the chart: a repository (see Client.CopyTo), an OCI layout,
	// any target of oras-go.
	Target registry.Target
	// Reference names the chart there. Host and repository as in CopySource. An
	// empty tag is the source's, or the chart's version where a digest named
	// it; a digest must be that of the manifest that is copied.
	Reference registry.Reference
	// Archive is the path of a .tgz file, or of a directory for
	// <name>-<version>.tgz, which is made if it is missing: the name is that of
	// the repository or Selector.Chart, the version the tag's, and where there
	// is none of these what the chart's config says. The archive goes there, and its provenance beside it as <archive>.prov; the manifest is
	// left behind. It excludes Target.
	Archive string
}

// CopyOptions are for one Copy. The zero value copies what the source's
// reference names, whole.
type CopyOptions struct {
	// Selector chooses the version where the source's reference has neither
	// tag nor digest.
	Selector Selector
	// Force puts the chart where something else stands, as in PushOptions, and
	// replaces signatures under cosign's tags that the source does not have.
	Force bool
	// Referrers takes along what refers to the chart: manifests whose subject
	// it is, and those that refer to them in turn (OCI image spec 1.1), and what
	// cosign keeps under the tags sha256-<hex>.sig, .att and .sbom.
	Referrers bool
	// ChartOnly copies, of an image index, the manifest of its one chart alone.
	ChartOnly bool
}

// Copied tells what a Copy did.
type Copied struct {
	// Source is what was copied, pinned by its digest.
	Source registry.Reference
	// Reference is where it is now: tag and digest. Host and repository are
	// empty where the target is no registry. Zero for an archive.
	Reference registry.Reference
	// Manifest describes the manifest at the target. It is the source's, byte
	// for byte, unless the target had this chart under another one.
	Manifest ocispec.Descriptor
	// Path is the archive that was written; empty for a Target.
	Path string
	// Exists tells that the chart was there already and nothing of it was sent.
	Exists bool
	// Sent, Mounted and Existed count bytes of manifests and blobs: those that
	// were sent, those that the registry took from the source's repository, and
	// those that were looked for and found.
	Sent, Mounted, Existed int64
	// VerifiedBy is what the client's Verifier answered, as in Origin.
	VerifiedBy []string
	// Referrers are the manifests that refer to the chart and are at the
	// target now: those with a subject, then those under cosign's tags.
	Referrers []ocispec.Descriptor
}

// CopyFrom is the end of a copy at a registry, for reading. It does not read
// through the client's cache: what passes by is not what this machine uses.
func (c *Client) CopyFrom(ref registry.Reference) (CopySource, error) {
	repo, err := c.registry.Repository(ref)
	if err != nil {
		return CopySource{}, err
	}
	return CopySource{Source: repo, Reference: ref}, nil
}

// CopyTo is the end of a copy at a registry, for writing.
func (c *Client) CopyTo(ref registry.Reference) (CopyTarget, error) {
	repo, err := c.registry.Repository(ref)
	if err != nil {
		return CopyTarget{}, err
	}
	return CopyTarget{Target: repo.WithActions(registry.ActionPull, registry.ActionPush), Reference: ref}, nil
}

// Copy copies a chart between registries, OCI layouts and archives. Manifests
// keep their bytes, so that digests stay what they are; an image index is
// copied with all that it names. Blobs are streamed, three at a time. Blobs that
// are there are not sent; where both ends are at one registry they are mounted,
// and not sent either. The tag is written last, and a copy that was interrupted
// goes on where it was when it is made again.
//
// A new chart costs one GET of its manifest at the source and one HEAD of the
// tag at the target; for each blob one POST where it is mounted, else a HEAD,
// and a GET, POST and PUT where it is missing; and one PUT of the manifest. The
// same again costs that first GET and HEAD. Referrers cost a listing at both
// ends and three HEADs more.
//
// What the target's tag may name already is as in Push: a version that holds
// something else is left alone, unless forced, and the error matches
// registry.ErrExists. Where it holds the same chart under another manifest,
// nothing is sent; but with Referrers, which name one manifest, that is
// ErrExists too. A version's tag must be that of the chart. A tag that is no
// version moves.
//
// The client's Verifier, if it has one, is asked before anything is written. It
// judges one chart, so an image index is ErrVerification then unless ChartOnly
// takes its chart alone.
//
// Errors: *NoMatchError; ErrVerification, or any other of the Verifier's;
// ErrNotChart where the source names something else, an *IndexError for an
// index; ErrAmbiguous for one of several charts where one is wanted;
// ErrInvalidManifest; ErrTooLarge for more manifests than can be meant;
// registry.ErrInvalidReference; registry.ErrUnsupported where an end lacks what
// the options need; registry.ErrDigestMismatch; those of both ends.
func (c *Client) Copy(ctx context.Context, from CopySource, to CopyTarget, options CopyOptions) (*Copied, error) {
	x, err := c.newCopier(from, to, options)
	if err != nil {
		return nil, err
	}
	var root *copyRoot
	err = choose(ctx, x.lister(), x.from, options.Selector, func(ch choice) error {
		var err error
		root, err = x.open(ctx, ch)
		return err
	})
	if err != nil {
		return nil, err
	}
	if to.Archive != "" {
		return x.toArchive(ctx, root, to.Archive)
	}
	done, err := x.copy(ctx, root)
	if err == nil && done.Reference.Host != "" {
		// The cache may know the tag by another name; the copy stands all the same.
		_ = c.cache.Through(nil, done.Reference, c.policy).Record(ctx, done.Reference.Tag, done.Manifest)
	}
	return done, err
}

func (c *Client) newCopier(from CopySource, to CopyTarget, options CopyOptions) (*copier, error) {
	if from.Source == nil || (to.Target == nil) == (to.Archive == "") {
		return nil, errors.New("copy: needs a source, and a target or an archive")
	}
	if to.Archive != "" && options.Referrers {
		return nil, fmt.Errorf("copy to %s: referrers in an archive: %w", shown(to.Archive), registry.ErrUnsupported)
	}
	if packed, ok := from.Source.(*Packed); ok && from.Reference.Object() == "" {
		from.Reference.Digest = packed.Manifest.Digest
	}
	x := &copier{client: c, src: from.Source, dst: to.Target, from: from.Reference, to: to.Reference, options: options,
		seenBlobs: map[digest.Digest]bool{}, seenManifests: map[digest.Digest]bool{}, again: map[digest.Digest]bool{}}
	source, ok := from.Source.(*registry.Repository)
	target, also := to.Target.(*registry.Repository)
	// Within one repository there is nothing to mount: all of it is there.
	if ok && also && registry.SameRegistry(source.Reference(), target.Reference()) && source.Reference().Repository != target.Reference().Repository {
		x.mount = target.WithSource(source.Reference())
		x.dst, x.mountFrom = x.mount, source.Reference()
	}
	return x, nil
}
