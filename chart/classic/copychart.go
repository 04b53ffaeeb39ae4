package classic

import (
	"errors"
	"fmt"
	"strings"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// target names where a version of a chart goes; an empty version leaves out
// the tag.
func (c *copier) target(name, version string) (registry.Reference, error) {
	refuse := func(problem, hint string) (registry.Reference, error) {
		return registry.Reference{}, &registry.ReferenceError{Reference: name, Problem: problem, Hint: hint}
	}
	if strings.ContainsAny(name, `/:@\`) {
		return refuse("a chart of this name cannot be a repository", "copy the others with the names of their charts, and this one under another")
	}
	ref := registry.Reference{Host: c.namespace.Host, Repository: strings.Trim(c.namespace.Repository+"/"+name, "/")}
	if _, err := registry.ParseReference(ref.Name()); err != nil {
		return registry.Reference{}, err
	}
	if version == "" {
		return ref, nil
	}
	if ref = ref.WithTag(version); !registry.ValidTag(ref.Tag) {
		return registry.Reference{}, &registry.ReferenceError{Reference: version, Problem: "this version cannot be a tag"}
	}
	return ref, nil
}

// copy moves one version of a chart.
func (c *copier) copy(j job) (Copied, error) {
	done := Copied{Name: j.name, Version: j.entry.Version}
	if err := c.ctx.Err(); err != nil {
		return done, err
	}
	target, err := c.target(j.name, j.entry.Version)
	if err != nil {
		return done, err
	}
	done.Reference = target
	layer, err := j.entry.Layer()
	if err != nil {
		return done, c.src.about(j.name, j.entry, err)
	}
	done.Unverified = layer == ""
	if !done.Unverified {
		there, err := c.there(target, j.entry)
		if err != nil || there.Digest != "" {
			done.Exists = err == nil
			if err == nil {
				done.Reference = there
			}
			return done, err
		}
	}
	packed, err := c.src.pull(c.ctx, j.name, j.entry)
	if err != nil {
		return done, err
	}
	defer packed.Close()
	pushed, err := c.client.Push(c.ctx, packed, target, chart.PushOptions{Force: c.options.Force})
	if err != nil {
		return done, err
	}
	done.Reference, done.Exists, done.Sent = pushed.Reference, pushed.Exists, pushed.Sent
	done.Provenance = packed.Provenance != nil
	return done, nil
}

// there looks for the archive of the index at the target: its reference,
// pinned, if it is there, the zero one if the way is free, and an error if
// something else stands in it.
func (c *copier) there(target registry.Reference, e *Entry) (registry.Reference, error) {
	want, err := e.Layer()
	if err != nil {
		return registry.Reference{}, err
	}
	layers, resolved, err := c.client.Layers(c.ctx, target)
	switch {
	case err == nil && layers.Chart.Digest == want:
		return resolved.Reference, nil
	case errors.Is(err, registry.ErrNotFound):
		return registry.Reference{}, nil
	case err == nil:
		err = fmt.Errorf("this version holds another archive there (%s) than in the index (%s)", layers.Chart.Digest, want)
	case !errors.Is(err, chart.ErrNotChart) && !errors.Is(err, chart.ErrInvalidManifest):
		return registry.Reference{}, err
	}
	if c.options.Force {
		return registry.Reference{}, nil
	}
	return registry.Reference{}, &registry.Error{Op: "copy to", Reference: target, Kind: registry.ErrExists, Err: err, Hint: "force it to replace what is there"}
}
