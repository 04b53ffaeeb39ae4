package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	orasregistry "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/internal/verify"
)

// Repository is one repository of a registry: a Target, a ReferenceFetcher, a
// ReferencePusher, a TagLister and a ReferrerLister. Its requests are stated
// with each method; a registry with bearer tokens adds one challenge and one
// token request for each repository, set of actions and token lifetime, and
// failures add what Retry says. It is immutable and safe for concurrent use.
//
// Errors are *Error. Every method may match ErrUnauthorized, ErrDenied,
// ErrRateLimited, ErrUnavailable, or the context's error, beside what it says
// itself.
type Repository struct {
	client  *Client
	ref     Reference
	route   route
	actions []string
	mounts  string // the repository from which blobs will be mounted; may be empty

	remote      *remote.Repository
	noReferrers *atomic.Bool // it was found out that there is no API for them
}

var (
	_ Target           = (*Repository)(nil)
	_ ReferenceFetcher = (*Repository)(nil)
	_ ReferencePusher  = (*Repository)(nil)
	_ TagLister        = (*Repository)(nil)
	_ ReferrerLister   = (*Repository)(nil)
)

// connect makes the engine's view of the repository, once r is complete.
func (r *Repository) connect() {
	r.remote = r.engine(engine{repo: r})
	// What to do about a registry without the referrers API is decided here,
	// see addReferrer: the engine's own way loses updates and deletes manifests.
	_ = r.remote.SetReferrersCapability(true)
	r.noReferrers = new(atomic.Bool)
}

func (r *Repository) engine(e engine) *remote.Repository {
	return &remote.Repository{
		Client:    e,
		Reference: orasregistry.Reference{Registry: apiHost(r.ref.Host), Repository: r.ref.Repository},
		PlainHTTP: r.route.origin.plainHTTP,
	}
}

// The actions of the token protocol's scopes (Docker token scope
// documentation).
const (
	ActionPull   = "pull"
	ActionPush   = "push"
	ActionDelete = "delete"
)

// Reference names the repository, without tag and digest.
func (r *Repository) Reference() Reference { return r.ref }

// WithActions returns the same repository for an operation that will need
// these actions (ActionPull, ActionPush): its first token is asked for with
// all of them. A push that begins by looking would otherwise fetch a token to
// pull and then another to push.
func (r *Repository) WithActions(actions ...string) *Repository {
	other := *r
	other.actions = slices.Clone(actions)
	other.connect()
	return &other
}

// AtOrigin returns the same repository without its mirrors: whatever it is
// asked, the origin answers.
func (r *Repository) AtOrigin() *Repository {
	if len(r.route.mirrors) == 0 {
		return r
	}
	other := *r
	other.route.mirrors = nil
	other.connect()
	return &other
}

// Resolve answers which manifest a tag or a digest names, with one HEAD, and
// one GET more at a registry that refuses HEAD or answers it without a digest.
// It matches ErrNotFound when there is none, ErrInvalidReference when
// reference is neither a tag nor a digest, and ErrDigestMismatch when the
// answer is another digest. A version's "+" is accepted in a tag.
func (r *Repository) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	ref, err := r.object("resolve", reference)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	desc, err := r.remote.Resolve(ctx, ref.Object())
	return desc, WrapError("resolve", ref, err)
}

// FetchReference opens the manifest that a tag or a digest names, with one
// GET. Where the host has mirrors that do not resolve tags, it is one HEAD of
// the origin, and one GET by digest of a mirror. The reader verifies itself and
// holds at most 4 MiB; the caller closes it. Errors as for Resolve.
func (r *Repository) FetchReference(ctx context.Context, reference string) (ocispec.Descriptor, io.ReadCloser, error) {
	ref, err := r.object("fetch", reference)
	if err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	object := ref.Object()
	if ref.Digest == "" && r.mirroredByDigest() {
		named, err := r.remote.Resolve(ctx, object)
		if err != nil {
			return ocispec.Descriptor{}, nil, WrapError("fetch", ref, err)
		}
		object = named.Digest.String()
	}
	desc, rc, err := r.remote.FetchReference(ctx, object)
	if err != nil {
		return ocispec.Descriptor{}, nil, WrapError("fetch", ref, err)
	}
	verified, err := r.verified(ctx, desc, rc)
	return desc, verified, err
}

// Fetch opens a manifest or a blob with one GET; target's media type tells
// which. The reader verifies size and digest by its end, and goes on after a
// connection that broke; the caller closes it. Matches ErrNotFound,
// ErrDigestMismatch. Where the latter has a Mirror, fetching again finds the
// content elsewhere; a blob of up to 1 MiB is fetched again here.
func (r *Repository) Fetch(ctx context.Context, target ocispec.Descriptor) (io.ReadCloser, error) {
	if err := target.Digest.Validate(); err != nil {
		return nil, WrapError("fetch", r.ref, fmt.Errorf("%w: digest %.100q: %w", ErrInvalidReference, target.Digest, err))
	}
	for range r.route.mirrors {
		if target.Size > maxHeld {
			break
		}
		rc, err := r.hold(ctx, target)
		if !FromMirror(err) {
			return rc, err
		}
	}
	rc, err := r.open(ctx, target)
	if err != nil {
		return nil, WrapError("fetch", r.ref.WithDigest(target.Digest), err)
	}
	return r.verified(ctx, target, rc)
}

// maxHeld is up to which size content is read whole where a mirror might give
// a wrong one: configs, signatures and bills of material, not archives.
const maxHeld = 1 << 20

// hold fetches content and verifies it before it hands it out.
func (r *Repository) hold(ctx context.Context, target ocispec.Descriptor) (io.ReadCloser, error) {
	rc, err := r.open(ctx, target)
	if err != nil {
		return nil, WrapError("fetch", r.ref.WithDigest(target.Digest), err)
	}
	defer rc.Close()
	v, err := r.verified(context.Background(), target, rc) // nobody is told of what may not count
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(v)
	if err != nil {
		return nil, err
	}
	return r.verified(ctx, target, io.NopCloser(bytes.NewReader(data)))
}

// open asks for a manifest as for a reference: with every media type, since
// the digest decides, not what the registry calls it today.
func (r *Repository) open(ctx context.Context, target ocispec.Descriptor) (io.ReadCloser, error) {
	if !ocijson.IsManifest(target.MediaType) {
		return r.download(ctx, target)
	}
	_, rc, err := r.remote.FetchReference(ctx, target.Digest.String())
	return rc, err
}

// Exists tells whether the registry has a manifest or a blob, with one HEAD of
// the origin: a mirror has what the origin need not have.
func (r *Repository) Exists(ctx context.Context, target ocispec.Descriptor) (bool, error) {
	ok, err := r.engine(engine{repo: r, originOnly: true}).Exists(ctx, target)
	return ok, WrapError("check", r.ref.WithDigest(target.Digest), err)
}

// Push stores a manifest with one PUT, or a blob with one POST and one PUT.
// What is there already is sent again: ask Exists first where that matters.
//
// A blob is streamed. A registry that takes none in one piece is sent chunks,
// one PATCH each, of which no more than 32 KiB are in memory. Uploads go where
// the registry says, without its credentials where that is another host. One
// that fails for a while is tried again, after a HEAD: from its start, or from
// where it broke off if it is in chunks. For that content must be an io.Seeker;
// if it can only seek to its start, it is read again from there. Content that
// can be read only once is sent once, and the error's Hint says so. An error of
// content itself comes back as it is, and content that is not of the expected
// size matches ErrDigestMismatch.
//
// A manifest that names what the registry does not have is an error that holds
// a *MissingError.
//
// A manifest with a subject becomes one of its referrers, here too where the
// registry has no API for them: the tag that lists them is then read and
// written as well, with two GETs and one PUT more, see [Repository.Referrers].
func (r *Repository) Push(ctx context.Context, expected ocispec.Descriptor, content io.Reader) error {
	ref := r.ref.WithDigest(expected.Digest)
	if ocijson.IsManifest(expected.MediaType) {
		return r.pushManifest(ctx, expected, content, ref, expected.Digest.String())
	}
	content, ended := r.watch(ctx, true, expected, content)
	defer ended()
	return r.pushBlob(ctx, expected, content)
}

// PushReference stores a manifest and lets the tag name it, with one PUT; see
// Push for one with a subject. A tag that the registry does not let move
// matches ErrExists, unless it names that manifest already.
func (r *Repository) PushReference(ctx context.Context, expected ocispec.Descriptor, content io.Reader, reference string) error {
	ref, err := r.object("push", reference)
	if err != nil {
		return err
	}
	return r.pushManifest(ctx, expected, content, ref, ref.Object())
}

// Tag lets a tag name a manifest that is in the repository, with one GET and
// one PUT. A tag that the registry does not let move matches ErrExists, unless
// it names that manifest already.
func (r *Repository) Tag(ctx context.Context, desc ocispec.Descriptor, reference string) error {
	ref, err := r.object("tag", reference)
	if err != nil {
		return err
	}
	return r.putFailed(ctx, "tag", ref, desc.Digest, r.remote.Tag(ctx, desc, ref.Object()))
}

// object reads a tag or a digest, or a whole reference of this repository.
func (r *Repository) object(op, reference string) (Reference, error) {
	if ref, err := ParseReference(r.ref.Name() + ":" + reference); err == nil {
		return ref, nil
	}
	if ref, err := ParseReference(r.ref.Name() + "@" + reference); err == nil {
		return ref, nil
	}
	if ref, err := ParseReference(reference); err == nil && ref.Repo() == r.ref && ref.Object() != "" {
		return ref, nil
	}
	problem := "neither a tag nor a digest"
	if reference == "" {
		problem = "no tag and no digest"
	}
	return Reference{}, &Error{Op: op, Reference: r.ref, Kind: ErrInvalidReference,
		Err: &ReferenceError{Reference: reference, Problem: problem}}
}

// verified wraps a body so that reading it to its end proves the content, and
// so that its errors say where it came from. A progress is told of it.
func (r *Repository) verified(ctx context.Context, desc ocispec.Descriptor, rc io.ReadCloser) (io.ReadCloser, error) {
	watched, ended := r.watch(ctx, false, desc, rc)
	v, err := verify.NewReader(watched, desc)
	if err != nil {
		rc.Close()
		return nil, WrapError("fetch", r.ref, err)
	}
	return &body{v: v, rc: rc, ended: ended, ref: r.ref.WithDigest(desc.Digest)}, nil
}

type body struct {
	v     *verify.Reader
	rc    io.Closer
	ended func()
	ref   Reference
}

func (b *body) Close() error {
	b.ended()
	return b.rc.Close()
}

// Verifying spares a cache the work of hashing again.
func (b *body) Verifying() *verify.Reader { return b.v }

func (b *body) Read(p []byte) (int, error) {
	n, err := b.v.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	mirror := ""
	if d, ok := b.rc.(*download); ok && errors.Is(err, verify.ErrMismatch) {
		mirror = d.lied(err)
	}
	err = WrapError("fetch", b.ref, err)
	if e, ok := errors.AsType[*Error](err); ok && mirror != "" {
		told := *e
		told.Mirror, told.Hint = mirror, "the mirror is passed over from now on: fetch it again"
		err = &told
	}
	return n, err
}
