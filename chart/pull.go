package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/internal/atomicfile"
	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

// PullOptions are for one Pull. The zero value pulls what the reference
// names, or the newest stable version.
type PullOptions struct {
	// Selector chooses the version where the reference has no tag and no
	// digest.
	Selector Selector
	// CheckTag asks the registry whether the tag beside a digest still names
	// it, and fails with registry.ErrTagMoved if not. It costs one HEAD.
	CheckTag bool
}

// Pulled is a chart from a registry. The caller closes it.
type Pulled struct {
	// Archive is the chart package, verified against its digest. What is in
	// it was not looked at: reading it is what checks it.
	Archive *Archive
	// Manifest, Config and Layer describe the manifest, the config and the
	// archive; Provenance is nil where the chart has none.
	Manifest, Config, Layer ocispec.Descriptor
	Provenance              *ocispec.Descriptor
	// Origin is where it came from.
	Origin Origin
	// Version is the tag read as a version; see Resolved.Version.
	Version string
	// OwnVersion is the chart's version by its manifest (annotation
	// org.opencontainers.image.version) where that is another than Version:
	// behind a tag such as latest, or one that is wrong (helm#12255). Empty:
	// the same, or the manifest says none. Check tells what Chart.yaml says.
	OwnVersion string

	src        *cache.Source
	name       string // Selector.Chart
	provenance *provenance
}

// Close closes the archive. It may be called again.
func (p *Pulled) Close() error { return p.Archive.Close() }

// Pull fetches the chart that ref names and opens it. Through an empty cache,
// or without one, a tag costs two GETs: manifest and archive; a tag whose
// manifest the cache holds costs one HEAD; a digest that it holds, nothing.
// Memory use does not depend on the chart's size. The client's Verifier, if it
// has one, is asked between the two, at the cost of what it asks for itself;
// without one, the provenance file is left where it is.
//
// Where an image index stands, it pulls the one chart in it, with one GET more
// for its manifest and still one HEAD when nothing has changed: the manifest
// that the index calls a chart's (artifactType), or else, of those that are
// given no type and no platform, the one whose config is a chart's. Of these
// 16 are read at most, with a GET each. Indexes within the index are not looked
// into.
//
// Errors: *NoMatchError; offline *NotCachedError, with each part that is needed
// and not in the cache; ErrVerification, or any other of the Verifier's;
// ErrNotChart when something else is there, an *IndexError for an index;
// ErrAmbiguous for one with several charts, see Selector.Chart;
// ErrInvalidManifest; ErrTooLarge when the manifest announces an archive beyond
// the client's limits; ErrInvalidArchive when it is no gzip file;
// registry.ErrDigestMismatch when bytes are not what they should be;
// registry.ErrTagMoved with CheckTag; those of registry.Repository.
func (c *Client) Pull(ctx context.Context, ref registry.Reference, options PullOptions) (*Pulled, error) {
	if options.CheckTag {
		if err := c.CheckTag(ctx, ref); err != nil {
			return nil, err
		}
	}
	src, err := c.source(ref)
	if err != nil {
		return nil, err
	}
	noted, told := noteAnswers(ctx)
	there, err := stands(noted, src, ref, options.Selector)
	if err != nil {
		return nil, c.told(err)
	}
	at, err := there.chart(ctx, options.Selector.Chart)
	if err != nil {
		return nil, err
	}
	p := newPulled(src, there, at, options.Selector.Chart)
	archive := missingPart(PartArchive, p.Layer)
	p.provenance = &provenance{source: src, ref: p.Origin.Resolved, desc: p.Provenance, next: []MissingPart{archive}}
	p.Origin.VerifiedBy, err = c.verify(ctx, Subject{
		Reference: p.Origin.Resolved, Name: p.name, Version: p.Version,
		Manifest: p.Manifest, Layers: at.layers, Source: src, provenance: p.provenance,
	})
	if err != nil {
		return nil, err
	}
	if err := c.checkSize(p.Layer); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Origin.Resolved, err)
	}
	noted, gave := noteAnswers(ctx)
	content, err := src.Open(noted, p.Layer)
	if err != nil {
		return nil, notCached(ctx, err, src, p.Origin.Resolved, archive)
	}
	p.Origin.TagMirror = told.tagMirror()
	if content.Origin() == cache.FromNetwork {
		p.Origin.Host, p.Origin.Mirror = gave.host()
	}
	if p.Origin.From != cache.FromStale {
		p.Origin.From = content.Origin()
	}
	if p.Archive, err = NewArchive(content, content.Size(), &c.archives); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Origin.Resolved, err)
	}
	return p, nil
}

// checkSize refuses an archive that could not be read anyway, before a byte of
// it fills the disk: a manifest may claim any size.
func (c *Client) checkSize(layer ocispec.Descriptor) error {
	limits, err := c.archives.Limits.resolve(c.archives.Lenient)
	if err != nil {
		return err
	}
	if most := limits.packed(); layer.Size > most {
		return &ArchiveError{Problem: fmt.Sprintf("its manifest announces %d bytes, and the limit is %d", layer.Size, most), Err: ErrTooLarge}
	}
	return nil
}

func newPulled(src *cache.Source, there *standing, at *found, name string) *Pulled {
	resolved := newResolved(there.ref, there.choice, there.res)
	return &Pulled{
		Manifest:   at.manifest,
		Config:     at.layers.Config,
		Layer:      at.layers.Chart,
		Provenance: at.layers.Provenance,
		Version:    resolved.Version,
		OwnVersion: at.ownVersion(resolved.Version),
		Origin: Origin{
			Requested: there.ref,
			Resolved:  resolved.Reference,
			How:       resolved.How,
			Index:     at.index,
			Manifest:  at.manifest.Digest,
			Layer:     at.layers.Chart.Digest,
			From:      resolved.From,
			Confirmed: resolved.Confirmed,
			Listed:    resolved.Listed,
			Moved:     resolved.Moved,
		},
		src:  src,
		name: name,
	}
}

// Save writes the archive to <name>-<version>.tgz in dir, which is made if it
// is missing, and returns the path. The name is the last element of the
// repository, so that a chart cannot choose which file it replaces, or the
// Selector.Chart that was found in an image index; the version is the tag's.
// Where the tag is none it is that of Chart.yaml, for which the archive is read
// to its end, with the errors of Archive.Metadata; else it is not looked into.
// The file is there whole or not at all, and
// replaces one of that name; it is not forced to the disk, since it can be had
// again. The error matches registry.ErrDigestMismatch when the archive has
// changed since it was pulled.
func (p *Pulled) Save(ctx context.Context, dir string) (string, error) {
	target, f, err := p.stage(ctx, dir)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return target, f.Commit()
}

// SaveWithProvenance is Save, with the provenance file beside the archive as
// <name>-<version>.tgz.prov, where "helm verify" and Pack look for it. Both
// are there or neither. The error matches registry.ErrNotFound, and nothing is
// written, where the chart has none; others as for Save and ReadProvenance.
func (p *Pulled) SaveWithProvenance(ctx context.Context, dir string) (archive, prov string, err error) {
	data, err := p.ReadProvenance(ctx)
	if err != nil {
		return "", "", err
	}
	archive, f, err := p.stage(ctx, dir)
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	prov = archive + provSuffix
	return archive, prov, commitBoth(f, prov, data, false)
}

// stage writes the archive beside the place where it is to be.
func (p *Pulled) stage(ctx context.Context, dir string) (string, *atomicfile.File, error) {
	name, err := p.fileName()
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", p.Origin.Resolved, err)
	}
	content, err := verify.NewReader(p.Archive.Reader(), p.Layer)
	if err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", nil, err
	}
	target := filepath.Join(dir, name)
	f, err := atomicfile.Create(target, 0o666)
	if err != nil {
		return "", nil, err
	}
	if _, err := io.Copy(f, limit.WithContext(ctx, content)); err != nil {
		return "", nil, errors.Join(fmt.Errorf("save %s: %w", p.Origin.Resolved, err), f.Close())
	}
	return target, f, nil
}

func (p *Pulled) fileName() (string, error) {
	version := p.Version
	if version == "" {
		m, err := p.Archive.checkedMetadata()
		if err != nil {
			return "", err
		}
		version = m.Version
	}
	name := path.Base(p.Origin.Resolved.Repository)
	if p.Origin.Index != "" && p.name != "" {
		if name = p.name; (&Metadata{APIVersion: APIVersionV2, Name: name, Version: version}).Validate() != nil {
			return "", &registry.Error{Op: "save", Reference: p.Origin.Resolved, Kind: registry.ErrInvalidReference,
				Err: fmt.Errorf("%s is no name for a file", quoted(name))}
		}
	}
	return name + "-" + version + ".tgz", nil
}
