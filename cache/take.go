package cache

import (
	"context"
	"io"
	"math"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

// OpenDigest is Open where the size is not known: an index of a chart
// repository tells digests alone. The descriptor of the content has the size
// that was found, and no media type. Errors as for Open.
func (s *Store) OpenDigest(ctx context.Context, d digest.Digest) (*Content, error) {
	if err := checkDescriptor(ocispec.Descriptor{Digest: d}); err != nil {
		return nil, err
	}
	f, info, err := s.openBlob(ctx, d, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	desc := ocispec.Descriptor{Digest: d, Size: info.Size()}
	file, err := s.unshared(ctx, f, info, desc)
	if err != nil {
		return nil, err
	}
	return newContent(file, desc, FromCache), nil
}

// Take reads content of unknown size to its end and opens it: as a file of the
// cache or, where that cannot be written, as one without a name in
// [os.TempDir], as Source.Open does. want is its digest; where it is empty the
// content is kept under its SHA-256. The descriptor of the result has digest
// and size, and no media type. r is not closed, and bounded by the caller; the
// caller closes the result.
//
// The error matches registry.ErrDigestMismatch when the content is not want,
// registry.ErrInvalidReference when want is malformed, and else is that of r,
// of ctx or of the temporary directory. Nothing is kept then.
func (s *Store) Take(ctx context.Context, want digest.Digest, r io.Reader) (*Content, error) {
	algorithm := digest.SHA256
	if want != "" {
		if err := checkDescriptor(ocispec.Descriptor{Digest: want}); err != nil {
			return nil, err
		}
		algorithm = want.Algorithm()
	}
	to := s.newSpool(&turn{})
	defer to.Close()
	hash := algorithm.Digester()
	count := &counter{}
	if err := s.copy(ctx, io.MultiWriter(to, hash.Hash(), count), r); err != nil {
		return nil, err
	}
	desc := ocispec.Descriptor{Digest: hash.Digest(), Size: count.n}
	if want != "" && want != desc.Digest {
		return nil, &verify.Error{Want: want, Got: desc.Digest, WantSize: count.n, GotSize: count.n}
	}
	c, err := to.content(ctx, desc)
	if err != nil {
		return nil, registry.WrapError("keep", registry.Reference{}, err)
	}
	return c, nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
