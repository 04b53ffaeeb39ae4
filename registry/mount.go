package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// WithSource returns the same repository for an operation that will mount
// blobs of from: its tokens are asked for with the right to pull there too, so
// that one token serves for all of it. Where from is at another registry, it
// is r itself.
func (r *Repository) WithSource(from Reference) *Repository {
	if !SameRegistry(r.ref, from) || from.Repository == r.ref.Repository || from.Repository == r.mounts {
		return r
	}
	other := *r
	other.mounts = from.Repository
	other.connect()
	return &other
}

// SameRegistry tells whether two references are at one registry, under
// whichever of its names.
func SameRegistry(a, b Reference) bool { return apiHost(a.Host) == apiHost(b.Host) }

// errNotMounted: the registry wants the blob sent.
var errNotMounted = errors.New("not mounted")

// Mount makes a blob of the repository from, at the same registry, one of this
// repository without sending it (OCI distribution spec 1.1, Mounting a blob
// from another repository). It costs one POST, and a token that may pull from
// there too, see WithSource.
//
// False without an error means that the blob must be sent: the registry does
// not mount, has no such blob there, or does not let this identity. What would
// keep it from being sent as well, Push will say. A repository of another
// registry matches ErrInvalidReference.
func (r *Repository) Mount(ctx context.Context, desc ocispec.Descriptor, from Reference) (mounted bool, err error) {
	ref := r.ref.WithDigest(desc.Digest)
	if !SameRegistry(r.ref, from) {
		return false, &Error{Op: "mount", Reference: ref, Kind: ErrInvalidReference,
			Err: fmt.Errorf("%s is at another registry", from.Name())}
	}
	// The upload that a 202 begins is left to end by itself: to take it up, the
	// content would have to be at hand here.
	send := func() (io.ReadCloser, error) { return nil, errNotMounted }
	err = WrapError("mount", ref, r.WithSource(from).remote.Mount(ctx, desc, from.Repository, send))
	if err == nil {
		return true, nil
	}
	e, _ := errors.AsType[*Error](err)
	// ociserver answers 404 for a blob that is not there, others 405 for a
	// method that they do not know.
	refused := slices.Contains([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden,
		http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}, e.StatusCode)
	if errors.Is(err, errNotMounted) || refused {
		return false, nil
	}
	return false, err
}
