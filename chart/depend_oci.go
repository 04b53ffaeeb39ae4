package chart

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// ociReference is the repository of a dependency: its name below what the
// declaration names. Helm reads it so, and the lock is Helm's too, so that a
// repository cannot be called otherwise than its chart here (helm#32529).
func ociReference(dep *Dependency) (registry.Reference, error) {
	return registry.ParseReference(strings.TrimRight(dep.Repository, "/") + "/" + dep.Name)
}

func (d *depending) resolveOCI(ctx context.Context, dep *Dependency) (*part, error) {
	ref, err := ociReference(dep)
	if err == nil {
		err = d.allow(ctx, ref.Host)
	}
	if err != nil {
		return nil, err
	}
	if version.IsExact(dep.Version) {
		p, err := d.fetchOCI(ctx, ref, dep.Name, dep.Version)
		return p, doubledName(dep, err)
	}
	all, err := d.listings.do(ref.Name(), func() ([]Version, error) {
		src, err := d.client.source(ref)
		if err != nil {
			return nil, err
		}
		return listVersions(ctx, src)
	})
	if err != nil {
		return nil, doubledName(dep, err)
	}
	in, err := inRange(dep.Version, false)
	if err != nil {
		return nil, err
	}
	fits := func(v Version) bool { return in(v.parsed) }
	i := slices.IndexFunc(all, fits)
	if p := d.client.policy; i < 0 && !p.Offline && (p.MaxAge > 0 || p.StaleIfError > 0) {
		if all, err = d.searchOCI(ctx, ref, in); err != nil {
			return nil, err
		}
		i = slices.IndexFunc(all, fits)
	}
	if i < 0 {
		return nil, d.client.told(&NoMatchError{Reference: ref, Wanted: dep.Version, Versions: all})
	}
	return d.fetchOCI(ctx, ref, dep.Name, all[i].Version)
}

// searchOCI lists for this range alone what all dependencies on the repository
// have listed: theirs may have been a list of the cache that is too old to say
// that there is nothing.
func (d *depending) searchOCI(ctx context.Context, ref registry.Reference, in func(version.Version) bool) ([]Version, error) {
	src, err := d.client.source(ref)
	if err != nil {
		return nil, err
	}
	all, _, err := search(ctx, src, func(t tagged) bool { return in(t.parsed) })
	return newestFirst(all), err
}

// doubledName explains the mistake that most "not found" come from.
func doubledName(dep *Dependency, err error) error {
	repository := strings.TrimRight(dep.Repository, "/")
	above, twice := strings.CutSuffix(repository, "/"+dep.Name)
	if !twice || !errors.Is(err, registry.ErrNotFound) {
		return err
	}
	return fmt.Errorf("%w; the dependency's name is appended to its repository: %s may be what is meant", err, shown(above))
}

// fetchOCI stages the chart of a version, or of the tag that spells it
// otherwise.
func (d *depending) fetchOCI(ctx context.Context, ref registry.Reference, name, v string) (*part, error) {
	return d.fetches.do(ref.Name()+" "+v, func() (*part, error) {
		pulled, err := d.client.Pull(ctx, ref, PullOptions{Selector: Selector{Version: v, Chart: name}})
		if err != nil {
			return nil, err
		}
		defer pulled.Close()
		if pulled.Version != "" && pulled.Origin.Resolved.Tag != registry.TagOfVersion(v) {
			v = pulled.Version // which spells it otherwise
		}
		return d.stagePulled(ctx, pulled, name, v)
	})
}

// stagePulled reads an archive to its end before it may stand in charts/: its
// digest says what it is, not that it is good.
func (d *depending) stagePulled(ctx context.Context, pulled *Pulled, name, v string) (*part, error) {
	m, err := pulled.Archive.Metadata()
	if err == nil {
		err = checkContent(m, name, v)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pulled.Origin.Resolved, err)
	}
	content, err := verify.NewReader(pulled.Archive.Reader(), pulled.Layer)
	if err != nil {
		return nil, err
	}
	p := &part{version: v, content: Pin{Manifest: pulled.Origin.Resolved.Digest, Layer: pulled.Layer.Digest}, origin: pulled.Origin}
	return p, d.stage.add(ctx, p, name+"-"+v+".tgz", content)
}

// rebuildOCI stages what the lock has, by its digest where it is pinned.
func (d *depending) rebuildOCI(ctx context.Context, dep *Dependency, pin Pin) (*part, error) {
	ref, err := ociReference(dep)
	if err == nil {
		err = d.allow(ctx, ref.Host)
	}
	if err != nil {
		return nil, err
	}
	if pin.Manifest == "" {
		p, err := d.fetchOCI(ctx, ref, dep.Name, dep.Version)
		return p, doubledName(dep, err)
	}
	ref = ref.WithTag(registry.TagOfVersion(dep.Version)).WithDigest(pin.Manifest)
	return d.fetches.do(ref.String()+" "+pin.Layer.String(), func() (*part, error) {
		checked, err := d.checkPin(ctx, ref)
		if err != nil {
			return nil, err
		}
		pulled, err := d.client.Pull(ctx, ref, PullOptions{Selector: Selector{Chart: dep.Name}})
		if err != nil {
			return nil, err
		}
		defer pulled.Close()
		if pulled.Layer.Digest != pin.Layer {
			return nil, &registry.Error{Op: "check lock", Reference: ref, Kind: registry.ErrDigestMismatch,
				Err: fmt.Errorf("the manifest's archive is %s, and %s has %s", pulled.Layer.Digest, DigestsFile, pin.Layer)}
		}
		pulled.Origin.Confirmed, pulled.Origin.Moved = checked.Confirmed, checked.Moved
		if checked.Origin == cache.FromStale {
			pulled.Origin.From = cache.FromStale
		}
		return d.stagePulled(ctx, pulled, dep.Name, dep.Version)
	})
}

// checkPin asks whether the tag of ref still names the digest beside it: with a
// HEAD where the manifest is here, and else with the GET that brings it. Where
// nobody wants to know, it answers nothing.
func (d *depending) checkPin(ctx context.Context, ref registry.Reference) (now cache.Resolution, err error) {
	if d.options.SkipCheck || d.client.policy.Offline {
		return now, nil
	}
	policy := d.client.policy
	policy.Moved = cache.NoteMoved // the lock says what the tag should name, whatever it was before
	src, err := d.client.WithPolicy(policy).source(ref)
	if err != nil {
		return now, err
	}
	if _, here := d.client.cache.Through(nil, ref, d.client.policy).Lookup(ctx, ref.Digest.String()); here == nil {
		now, err = src.Lookup(ctx, ref.Tag)
	} else {
		_, now, err = src.FetchManifest(ctx, ref.Tag)
	}
	if err == nil && now.Descriptor.Digest != ref.Digest {
		err = moved(ref, "tag "+ref.Tag, ref.Digest, now.Descriptor.Digest)
	}
	return now, err
}

func moved(ref registry.Reference, what string, from, to digest.Digest) error {
	return &registry.Error{Op: "check lock", Reference: ref, Kind: registry.ErrTagMoved,
		Err:  fmt.Errorf("%s was %s when the lock was made and is %s now", what, from, to),
		Hint: "update the dependencies to take what is there now"}
}

// checkContent refuses a chart that is another than was asked for. A version of
// one or two numbers may be the tag of a series.
func checkContent(m *Metadata, name, wanted string) error {
	other := func(what string) error {
		return &ArchiveError{Problem: what, Err: ErrInvalidArchive}
	}
	if m.Name != name {
		return other(fmt.Sprintf("is the chart %s where %s is wanted", quoted(m.Name), quoted(name)))
	}
	is, err := version.Parse(m.Version)
	if err != nil {
		return other(err.Error())
	}
	want, err := version.Parse(wanted)
	if err == nil && version.SameVersion(is, want) {
		return nil
	}
	if err != nil || want.IsShort() { // a series, such as 1.2, or a range
		if in, err := version.ParseConstraint(wanted); err == nil && in.Check(is) {
			return nil
		}
	}
	return other(fmt.Sprintf("is version %s where %s is wanted", quoted(m.Version), quoted(wanted)))
}
