package chart

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// window is how many versions are looked up at a time, and at most ahead of
// who reads the listing. Browsers open six connections to a host, container
// tools three to ten. Each holds one manifest and one config while they are
// read, a few KiB; 4 MiB each from a registry that means harm.
const window = 8

// described returns the versions with their metadata, in their order. Lookups
// run ahead of the consumer; all have ended when the sequence has.
func described(ctx context.Context, src *cache.Source, ref registry.Reference, name string, all []Version) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		d := &describer{src: src, ref: ref.Repo(), name: name, configs: map[digest.Digest]*configFlight{}}
		for v := range ahead(ctx, all, d.describe) {
			err := ctx.Err()
			if err == nil && endsListing(v.Err) {
				err = v.Err
			}
			if err != nil {
				yield(Version{}, err)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// ahead yields what do makes of each item, in order, with window calls at a
// time. Their context ends with the sequence, which waits for them.
func ahead[T any](ctx context.Context, items []T, do func(context.Context, T) T) iter.Seq[T] {
	return func(yield func(T) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		var results [window]chan T
		start := func(i int) {
			result := make(chan T, 1) // so that nobody has to receive it
			results[i%window] = result
			running.Go(func() { result <- do(ctx, items[i]) })
		}
		for i := range min(window, len(items)) {
			start(i)
		}
		for i := range items {
			item := <-results[i%window]
			if i+window < len(items) {
				start(i + window)
			}
			if !yield(item) {
				return
			}
		}
	}
}

// endsListing tells an error that the other versions would meet too from one
// that is about one version. A status of the registry is about what was asked
// for: a scanner's policy denies one version, a lost blob is a 500.
func endsListing(err error) bool {
	if errors.Is(err, registry.ErrUnauthorized) || errors.Is(err, registry.ErrRateLimited) {
		return true
	}
	e, ok := errors.AsType[*registry.Error](err)
	return ok && errors.Is(err, registry.ErrUnavailable) && e.StatusCode == 0
}

// describer looks up versions of one repository.
type describer struct {
	src  *cache.Source
	ref  registry.Reference
	name string // of the chart, in an index

	mu      sync.Mutex
	configs map[digest.Digest]*configFlight // by the config's digest
}

// configFlight is a config that is read for all versions that share it.
type configFlight struct {
	done chan struct{}
	m    *Metadata
	err  error
}

// maxConfigs bounds what is remembered of configs that were read: tags of one
// chart, such as 1.2.0 and v1.2.0, stand beside each other in a listing.
const maxConfigs = 2 * window

func (d *describer) describe(ctx context.Context, v Version) Version {
	there := &standing{src: d.src, ref: d.ref, choice: choice{object: v.Tag, how: ByTag}}
	if there.content, there.res, v.Err = d.src.FetchManifest(ctx, v.Tag); v.Err != nil {
		v.Err = manifestNotCached(ctx, v.Err, d.src, d.ref, there.choice)
		return v
	}
	v.Digest = there.res.Descriptor.Digest
	at, err := there.chart(ctx, d.name)
	if err != nil {
		v.Err = err
		return v
	}
	if created, err := time.Parse(time.RFC3339, at.layers.Annotations[ocispec.AnnotationCreated]); err == nil {
		v.Created = created
	}
	if v.Metadata, v.Err = d.config(ctx, v.Tag, at.layers.Config); v.Err == nil && !oneVersion(v.Metadata.Version, v.Version) {
		v.OwnVersion = v.Metadata.Version
	}
	return v
}

// config reads a config once for all who want it at the same time. Failures
// are forgotten.
func (d *describer) config(ctx context.Context, tag string, desc ocispec.Descriptor) (*Metadata, error) {
	d.mu.Lock()
	flight, found := d.configs[desc.Digest]
	if !found {
		if len(d.configs) >= maxConfigs {
			clear(d.configs)
		}
		flight = &configFlight{done: make(chan struct{})}
		d.configs[desc.Digest] = flight
	}
	d.mu.Unlock()
	if found {
		select {
		case <-flight.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if flight.err != nil {
			return nil, flight.err
		}
		return flight.m.clone(), nil
	}
	defer close(flight.done)
	flight.m, flight.err = readConfig(ctx, d.src, d.ref.WithTag(tag), desc)
	if flight.err != nil {
		d.mu.Lock()
		if d.configs[desc.Digest] == flight {
			delete(d.configs, desc.Digest)
		}
		d.mu.Unlock()
		return nil, flight.err
	}
	return flight.m.clone(), nil
}

// MarshalJSON adds the text of Err as "error".
func (v Version) MarshalJSON() ([]byte, error) {
	type fields Version // without this method
	out := struct {
		fields
		Error string `json:"error,omitempty"`
	}{fields: fields(v)}
	if v.Err != nil {
		out.Error = v.Err.Error()
	}
	return json.Marshal(out)
}
