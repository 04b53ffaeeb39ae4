package chart

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// declare replaces the names of classic repositories by their URLs, as Helm
// does before it hashes the declarations. One that does not tell its URL has
// that of the lock there, if there is a lock: its digest then shows whether that
// was the declaration's.
func (d *depending) declare(ctx context.Context, lock *Lock) error {
	if d.meta.Dependencies == nil {
		return nil
	}
	d.declared = make([]*Dependency, len(d.meta.Dependencies))
	errs := make([]error, len(d.declared))
	for i, dep := range d.meta.Dependencies {
		c := *dep
		d.declared[i] = &c
		if repositoryKindOf(dep.Repository) != inNamed {
			continue
		}
		repository, err := d.open(ctx, dep.Repository)
		switch u := urlOf(repository); {
		case err != nil:
			errs[i] = err
		case u != "":
			c.Repository = u
		case lock != nil && i < len(lock.Dependencies):
			c.Repository = lock.Dependencies[i].Repository
		}
	}
	return joinDependencies(ctx, d.meta.Dependencies, errs)
}

// urlOf is what a name stands for; empty where the repository does not say.
func urlOf(r Repository) string {
	if u, ok := r.(interface{ URL() string }); ok {
		return u.URL()
	}
	return ""
}

// open opens a classic repository by what Chart.yaml says.
func (d *depending) open(ctx context.Context, repository string) (Repository, error) {
	return d.repositories.do(repository, func() (Repository, error) {
		if d.options.Repositories == nil {
			return nil, &registry.Error{Op: "open repository", Kind: registry.ErrUnsupported,
				Err: errors.New("classic repositories are not set up here")}
		}
		named := repositoryKindOf(repository) == inNamed
		if !named {
			if err := d.allowURL(ctx, repository); err != nil {
				return nil, err
			}
		}
		r, err := d.options.Repositories(ctx, repository)
		if err == nil && named {
			err = d.allowURL(ctx, urlOf(r))
		}
		return r, err
	})
}

func (d *depending) resolveClassic(ctx context.Context, i int, in version.Constraint) (*part, error) {
	dep, spelled := d.declared[i], d.meta.Dependencies[i].Repository
	all, err := d.listings.do(spelled+" "+dep.Name, func() ([]Version, error) {
		r, err := d.open(ctx, spelled)
		if err != nil {
			return nil, err
		}
		names, err := r.Versions(ctx, dep.Name)
		return sortVersions(names), err
	})
	if err != nil {
		return nil, err
	}
	found := slices.IndexFunc(all, func(v Version) bool { return in.Check(v.parsed) })
	// Among builds of one version, the one that is spelled as the declaration.
	if v, err := version.Parse(dep.Version); err == nil && !v.IsShort() {
		if same := slices.IndexFunc(all, func(o Version) bool { return version.SameVersion(o.parsed, v) }); same >= 0 {
			found = same
		}
	}
	if found < 0 {
		return nil, &NoMatchError{Wanted: dep.Version, Versions: all}
	}
	return d.fetchClassic(ctx, spelled, dep.Name, all[found].Version, "")
}

// sortVersions puts the newest first. What is no version is left out, as in Helm.
func sortVersions(names []string) []Version {
	var all []Version
	for _, name := range names {
		if v, err := version.Parse(name); err == nil {
			all = append(all, Version{Version: name, Tag: name, parsed: v})
		}
	}
	slices.SortFunc(all, func(a, b Version) int { return version.Compare(b.parsed, a.parsed) })
	return all
}

// fetchClassic stages one version, whose archive must be the one that is pinned,
// if one is.
func (d *depending) fetchClassic(ctx context.Context, spelled, name, v string, layer digest.Digest) (*part, error) {
	return d.fetches.do(spelled+" "+name+" "+v+" "+layer.String(), func() (*part, error) {
		r, err := d.open(ctx, spelled)
		if err != nil {
			return nil, err
		}
		packed, err := r.Pull(ctx, name, v)
		if err != nil {
			return nil, err
		}
		defer packed.Close()
		if now := packed.Layer.Digest; layer != "" && now != layer {
			return nil, moved(registry.Reference{}, fmt.Sprintf("the archive of %s %s", shown(name), shown(v)), layer, now)
		}
		return d.stagePacked(ctx, packed, name, v)
	})
}

// stagePacked relies on PackArchive to have read the archive to its end.
func (d *depending) stagePacked(ctx context.Context, packed *Packed, name, v string) (*part, error) {
	if err := checkContent(packed.Metadata, name, v); err != nil {
		return nil, err
	}
	content, err := packed.Fetch(ctx, packed.Layer)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	p := &part{version: v, content: Pin{Manifest: packed.Manifest.Digest, Layer: packed.Layer.Digest}}
	return p, d.stage.add(ctx, p, name+"-"+v+".tgz", content)
}

// rebuildClassic stages what the lock has: from the cache alone where nobody
// wants to know what the repository says today.
func (d *depending) rebuildClassic(ctx context.Context, i int, dep *Dependency, pin Pin) (*part, error) {
	spelled := d.meta.Dependencies[i].Repository
	if pin.Manifest == "" && d.options.RequireDigests {
		return nil, fmt.Errorf("%w: %s has no digests for it", ErrLockOutdated, DigestsFile)
	}
	if pin.Manifest == "" {
		return d.fetchClassic(ctx, spelled, dep.Name, dep.Version, "")
	}
	if d.options.SkipCheck || d.client.policy.Offline {
		packed, err := d.client.keptByDigest(ctx, pin)
		if err == nil {
			defer packed.Close()
			return d.stagePacked(ctx, packed, dep.Name, dep.Version)
		}
		if !errors.Is(err, registry.ErrNotFound) {
			return nil, err
		}
	}
	p, err := d.fetchClassic(ctx, spelled, dep.Name, dep.Version, pin.Layer)
	return p, d.client.pinNotCached(ctx, err, pin)
}

// pinNotCached names what the lock pins and the cache lacks, in place of the
// index or the URL that would have led there.
func (c *Client) pinNotCached(ctx context.Context, err error, pin Pin) error {
	if !errors.Is(err, ErrNotCached) {
		return err
	}
	e := &NotCachedError{Reference: registry.Reference{Digest: pin.Manifest}}
	for _, p := range []MissingPart{{Part: PartManifest, Digest: pin.Manifest}, {Part: PartArchive, Digest: pin.Layer}} {
		content, openErr := c.cache.OpenDigest(ctx, p.Digest)
		if openErr == nil {
			openErr = content.Close()
		}
		if openErr != nil {
			e.Parts = append(e.Parts, p)
		}
	}
	if len(e.Parts) == 0 {
		return err
	}
	return e
}

// keptByDigest opens a chart that the cache holds whole, wherever it came from,
// and asks the client's Verifier, as for any that is fetched: the digests are
// the word of whoever wrote DigestsFile. It matches registry.ErrNotFound where
// there is none.
func (c *Client) keptByDigest(ctx context.Context, pin Pin) (*Packed, error) {
	src := c.cache.Through(nil, registry.Reference{}, c.policy)
	root, err := src.Lookup(ctx, pin.Manifest.String())
	if err != nil {
		return nil, err
	}
	packed, err := c.openKept(ctx, src, root.Descriptor)
	if errors.Is(err, errNoArchive) {
		return nil, registry.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if packed.Layer.Digest != pin.Layer {
		err = fmt.Errorf("the manifest's archive is %s, and %s has %s: %w", packed.Layer.Digest, DigestsFile, pin.Layer, registry.ErrDigestMismatch)
	} else {
		packed.Metadata, err = packed.archive.Metadata() // the config may say anything
	}
	if err == nil {
		_, err = c.verify(ctx, packed.subject())
	}
	if err != nil {
		return nil, errors.Join(err, packed.Close())
	}
	return packed, nil
}
