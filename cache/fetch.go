package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

// Fetch implements [registry.Source]. What is here is verified whole before
// Fetch returns, and is a [*Content]. What is not comes from the source while
// it is read, is verified by the last byte, and is kept if it was read to the
// end. The caller closes it, and reads on without a pause: others who want the
// same content wait for what is read here, and no longer than Options.Patience
// says where it hardly moves. Who cannot keep up takes Open. The reader is not
// for concurrent use.
//
// The error, also of reading, is the source's; it matches
// registry.ErrDigestMismatch when the bytes are wrong, and offline
// registry.ErrNotFound when content is missing here. A cache that cannot be
// written is no error.
func (s *Source) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	hit, t, err := s.hitOrTurn(ctx, desc)
	if err != nil {
		return nil, err
	}
	if hit != nil {
		return hit, nil
	}
	body, err := s.network(ctx, desc)
	if err != nil {
		t.end(ctx, nil, err)
		return nil, err
	}
	return s.keeping(ctx, desc, body, t), nil
}

// hitOrTurn opens what is here, or what others are fetching, or else it is the
// caller's turn to fetch it: one of content, turn and error is returned.
func (s *Source) hitOrTurn(ctx context.Context, desc ocispec.Descriptor) (*Content, *turn, error) {
	hit, err := s.hit(ctx, desc)
	if err != nil || hit != nil {
		return hit, nil, err
	}
	return s.await(ctx, desc)
}

// FetchReference implements [registry.ReferenceFetcher] by FetchManifest.
func (s *Source) FetchReference(ctx context.Context, reference string) (ocispec.Descriptor, io.ReadCloser, error) {
	data, res, err := s.FetchManifest(ctx, reference)
	if err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	return res.Descriptor, io.NopCloser(bytes.NewReader(data)), nil
}

// FetchManifest resolves a tag or a digest and returns the bytes of the
// manifest, verified and at most 4 MiB. It costs the source
//
//   - nothing where a digest is here, or a tag that the policy trusts,
//   - one Resolve where a tag is here and names what it did, and a Fetch more
//     where it moved to a manifest that is not here,
//   - one FetchReference where the tag or digest is not here; or, from a source
//     without that role, one Resolve and one Fetch.
//
// Errors as for Resolve and Fetch.
func (s *Source) FetchManifest(ctx context.Context, reference string) ([]byte, Resolution, error) {
	name, err := s.name(reference)
	if err != nil {
		return nil, Resolution{}, err
	}
	known, err := s.known(ctx, name)
	if err != nil {
		return nil, Resolution{}, err
	}
	fetcher, ok := s.src.(registry.ReferenceFetcher)
	res := known.Resolution
	switch {
	case known.trusted && known.manifest != nil:
		return known.manifest, res, nil
	case known.trusted:
	case res.Descriptor.Digest == "" && ok:
		return s.fetchReference(ctx, fetcher, name, known)
	default:
		if res, err = s.ask(ctx, name, known); err != nil {
			return nil, Resolution{}, err
		}
	}
	data, err := s.manifest(ctx, name, res.Descriptor)
	if known.trusted && s.lost(name, err) {
		known.Resolution = Resolution{} // no answer any more
		if res, err = s.ask(ctx, name, known); err == nil {
			data, err = s.manifest(ctx, name, res.Descriptor)
		}
	}
	if err != nil && res.Origin == FromNetwork && s.bridge(name, err, known.Confirmed) {
		res = known.Resolution // the tag moved, and what it names now does not come
		res.Origin = FromStale
		data, err = s.manifest(ctx, name, res.Descriptor)
	}
	if err != nil {
		return nil, Resolution{}, err
	}
	if res.Fetched.IsZero() && s.store.has(res.Descriptor) {
		res.Fetched = time.Now()
	}
	return data, res, nil
}

// lost tells of a tag that was trusted to name a manifest which turned out bad
// here and gone at the source: the tag may have moved.
func (s *Source) lost(name registry.Reference, err error) bool {
	return name.Digest == "" && !s.policy.Offline && errors.Is(err, registry.ErrNotFound)
}

// manifest reads a manifest whose descriptor is known, from here if it can.
func (s *Source) manifest(ctx context.Context, name registry.Reference, desc ocispec.Descriptor) ([]byte, error) {
	if desc.Size > maxManifest {
		return nil, registry.WrapError("fetch", name, tooLarge(desc))
	}
	data, err := s.store.useManifest(ctx, desc.Digest)
	if err == nil {
		err = ofSize(data, desc)
	}
	switch {
	case err == nil:
		s.settle(desc)
		return data, nil
	case !errors.Is(err, registry.ErrNotFound):
		return nil, registry.WrapError("fetch", name, err)
	}
	body, err := s.Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	return readAll(body)
}

// readAll reads to the end, and closes.
func readAll(r io.ReadCloser) ([]byte, error) {
	defer r.Close()
	return io.ReadAll(r)
}

// fetchReference gets a manifest by its name in one request.
func (s *Source) fetchReference(ctx context.Context, src registry.ReferenceFetcher, name registry.Reference, known knowledge) ([]byte, Resolution, error) {
	fail := func(err error) ([]byte, Resolution, error) {
		return nil, Resolution{}, registry.WrapError("fetch", name, err)
	}
	asked := time.Now()
	desc, body, err := src.FetchReference(ctx, name.Object())
	if err != nil {
		s.missed(name, asked, err)
		return fail(err)
	}
	defer body.Close()
	if err := checkAnswer(name, desc); err != nil {
		return fail(err)
	}
	if desc.Size > maxManifest {
		return fail(tooLarge(desc))
	}
	var buf bytes.Buffer
	r, err := verify.Ensure(body, desc) // unless it hashes itself already
	if err == nil {
		err = s.store.copy(ctx, &buf, r)
	}
	if err != nil {
		return fail(err)
	}
	if err := s.store.Put(ctx, desc, bytes.NewReader(buf.Bytes())); err != nil {
		if ctx.Err() != nil {
			return fail(err)
		}
		s.store.trouble(cannotWrite, err)
	}
	res, err := s.answered(name, desc, known)
	if err != nil {
		return nil, Resolution{}, err
	}
	if name.Digest != "" && s.store.has(desc) {
		res.Fetched = res.Confirmed
	}
	return buf.Bytes(), res, nil
}

// hit opens what is here. Nil without an error: it is not here, and the source
// may be asked.
func (s *Source) hit(ctx context.Context, desc ocispec.Descriptor) (*Content, error) {
	c, err := s.store.Open(ctx, desc)
	switch {
	case err == nil:
		s.settle(desc)
		return c, nil
	case !errors.Is(err, registry.ErrNotFound):
		return nil, registry.WrapError("fetch", s.ref.WithDigest(desc.Digest), err)
	case s.policy.Offline:
		return nil, s.offline("fetch", s.ref.WithDigest(desc.Digest))
	}
	return nil, nil
}

// network opens content at the source. The caller closes it.
func (s *Source) network(ctx context.Context, desc ocispec.Descriptor) (*arriving, error) {
	name := s.ref.WithDigest(desc.Digest)
	body, err := s.src.Fetch(ctx, desc)
	if err != nil {
		return nil, registry.WrapError("fetch", name, err)
	}
	r, err := verify.Ensure(body, desc)
	if err != nil {
		body.Close()
		return nil, registry.WrapError("fetch", name, err)
	}
	return &arriving{Reader: r, Closer: body, ctx: ctx, name: name}, nil
}

// arriving is content of the source, whose reads end with its context and
// whose errors have their subject.
type arriving struct {
	io.Reader
	io.Closer
	ctx  context.Context
	name registry.Reference
}

func (a *arriving) Read(p []byte) (int, error) {
	if err := a.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := a.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = registry.WrapError("fetch", a.name, err)
	}
	return n, err
}

func tooLarge(desc ocispec.Descriptor) error {
	return fmt.Errorf("manifest of %d bytes: %w of %d", desc.Size, limit.ErrExceeded, int64(maxManifest))
}
