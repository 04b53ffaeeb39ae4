// Package verify checks content against the digest and the size that name it.
package verify

import (
	_ "crypto/sha256" // go-digest panics on an algorithm that is not linked in
	_ "crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ErrMismatch is matched by every Error.
var ErrMismatch = errors.New("content does not match its digest")

// Error tells what was promised and what came.
type Error struct {
	Want, Got         digest.Digest // Got is empty where the size alone gave it away
	WantSize, GotSize int64
}

func (e *Error) Error() string {
	switch {
	case e.GotSize > e.WantSize:
		return fmt.Sprintf("content of %s goes on after its %d bytes", e.Want, e.WantSize)
	case e.GotSize < e.WantSize:
		return fmt.Sprintf("content of %s ends after %d of %d bytes", e.Want, e.GotSize, e.WantSize)
	}
	return fmt.Sprintf("content of %s has the digest %s", e.Want, e.Got)
}

// Is makes every Error match ErrMismatch.
func (e *Error) Is(target error) bool { return target == ErrMismatch }

// Reader passes content through and hashes it. Its Read returns io.EOF only
// when all of the content has come and is what its descriptor names;
// otherwise the read ends with an *Error.
type Reader struct {
	r    io.Reader
	desc ocispec.Descriptor
	hash hash.Hash
	n    int64
	err  error
}

// NewReader checks r against the size and digest of desc. A digest that is
// malformed or of an unknown algorithm is an error.
func NewReader(r io.Reader, desc ocispec.Descriptor) (*Reader, error) {
	if err := desc.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("digest %q: %w", desc.Digest, err)
	}
	if desc.Size < 0 {
		return nil, fmt.Errorf("size of %s is negative: %d", desc.Digest, desc.Size)
	}
	return &Reader{r: r, desc: desc, hash: desc.Digest.Algorithm().Hash()}, nil
}

// Read implements io.Reader.
func (v *Reader) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.r.Read(p)
	v.n += int64(n)
	if v.n > v.desc.Size {
		v.err = &Error{Want: v.desc.Digest, WantSize: v.desc.Size, GotSize: v.n}
		return 0, v.err
	}
	v.hash.Write(p[:n])
	if err == io.EOF {
		err = v.verdict()
	}
	v.err = err
	return n, err
}

func (v *Reader) verdict() error {
	if v.n < v.desc.Size {
		return &Error{Want: v.desc.Digest, WantSize: v.desc.Size, GotSize: v.n}
	}
	if got := digest.NewDigest(v.desc.Digest.Algorithm(), v.hash); got != v.desc.Digest {
		return &Error{Want: v.desc.Digest, Got: got, WantSize: v.desc.Size, GotSize: v.n}
	}
	return io.EOF
}

// Verifying is a reader that hands out what a Reader beneath it has checked.
// Nobody outside this module can name the type, so nobody can claim it.
type Verifying interface{ Verifying() *Reader }

// Ensure returns r itself if it checks its content against desc already and
// nothing was read of it, and a Reader over it otherwise: hashing is most of
// what a download costs the processor.
func Ensure(r io.Reader, desc ocispec.Descriptor) (io.Reader, error) {
	if own, ok := r.(Verifying); ok {
		v := own.Verifying()
		if v.desc.Digest == desc.Digest && v.desc.Size == desc.Size && v.n == 0 && v.err == nil {
			return r, nil
		}
	}
	return NewReader(r, desc)
}

// Bytes checks content against desc.
func Bytes(content []byte, desc ocispec.Descriptor) error {
	if err := desc.Digest.Validate(); err != nil {
		return fmt.Errorf("digest %q: %w", desc.Digest, err)
	}
	if int64(len(content)) != desc.Size {
		return &Error{Want: desc.Digest, WantSize: desc.Size, GotSize: int64(len(content))}
	}
	if got := desc.Digest.Algorithm().FromBytes(content); got != desc.Digest {
		return &Error{Want: desc.Digest, Got: got, WantSize: desc.Size, GotSize: desc.Size}
	}
	return nil
}
