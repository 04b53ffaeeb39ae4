package chart

import (
	"context"
	"errors"
	"fmt"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/registry"
)

// provenance is the .prov file of one chart in a registry. It is fetched once,
// by whoever asks first, and remembered: verifying and saving see the same
// bytes for one request.
type provenance struct {
	source registry.Source
	ref    registry.Reference
	desc   *ocispec.Descriptor // nil: the chart has none
	next   []MissingPart       // will be needed after it

	mu   sync.Mutex
	data []byte
}

// read holds no lock while it fetches; two that ask at once may both fetch.
func (p *provenance) read(ctx context.Context) ([]byte, error) {
	const op = "read provenance"
	if p.desc == nil {
		return nil, &registry.Error{Op: op, Reference: p.ref, Kind: registry.ErrNotFound,
			Err: errors.New("the chart has no provenance file"), Hint: "ask its publisher to sign it"}
	}
	p.mu.Lock()
	data := p.data
	p.mu.Unlock()
	if data != nil {
		return append([]byte(nil), data...), nil
	}
	if p.desc.Size > maxProvenance {
		return nil, &registry.Error{Op: op, Reference: p.ref, Kind: ErrTooLarge,
			Err: fmt.Errorf("its manifest announces %d bytes, and the limit is %d", p.desc.Size, maxProvenance)}
	}
	rc, err := p.source.Fetch(ctx, *p.desc)
	if err != nil {
		return nil, notCached(ctx, err, p.source, p.ref, missingPart(PartProvenance, *p.desc), p.next...)
	}
	defer rc.Close()
	if data, err = limit.ReadAll(rc, maxProvenance); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", p.ref, op, err)
	}
	p.mu.Lock()
	p.data = data
	p.mu.Unlock()
	return append([]byte(nil), data...), nil
}

// ReadProvenance returns the chart's provenance file (.prov), verified against
// its digest and against nothing else: see the package chart/provenance for
// who signed it. It is at most 1.25 MiB and costs one request, none where the
// cache has it or where it was read before. It goes on working after Close.
//
// The error matches registry.ErrNotFound, and so fs.ErrNotExist, where the
// chart has none; ErrTooLarge; registry.ErrDigestMismatch; or it is one of
// registry.Repository.
func (p *Pulled) ReadProvenance(ctx context.Context) ([]byte, error) {
	if p.provenance == nil { // a Pulled that somebody else has made
		return (&provenance{ref: p.Origin.Resolved}).read(ctx)
	}
	return p.provenance.read(ctx)
}
