package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

// Open opens content that is here, after hashing all of it. The caller closes
// it.
//
// The error matches registry.ErrNotFound when the content is not here, or was
// here with other bytes than its digest names: that file is removed and
// logged. It matches registry.ErrDigestMismatch when the content is good and
// the size in desc is wrong, and registry.ErrInvalidReference when the digest
// is malformed.
func (s *Store) Open(ctx context.Context, desc ocispec.Descriptor) (*Content, error) {
	if err := checkDescriptor(desc); err != nil {
		return nil, err
	}
	f, info, err := s.openBlob(ctx, desc.Digest, max(desc.Size, maxGuess))
	if err != nil {
		return nil, err
	}
	if info.Size() != desc.Size {
		f.Close()
		return nil, fmt.Errorf("cache: %w", &verify.Error{Want: desc.Digest, WantSize: desc.Size, GotSize: info.Size()})
	}
	file, err := s.unshared(ctx, f, info, desc)
	if err != nil {
		return nil, err
	}
	return newContent(file, desc, FromCache), nil
}

// Fetch is Open in the form of [registry.Source].
func (s *Store) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	c, err := s.Open(ctx, desc)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Exists tells whether a file of that digest and size is here. It does not
// read it: Open may yet find it bad. The error is for a malformed descriptor
// or a context that is done.
func (s *Store) Exists(ctx context.Context, desc ocispec.Descriptor) (bool, error) {
	if err := checkDescriptor(desc); err != nil {
		return false, err
	}
	return s.has(desc), ctx.Err()
}

func (s *Store) has(desc ocispec.Descriptor) bool {
	if _, ok := s.knows(desc.Digest); !ok {
		return false
	}
	info, err := os.Stat(s.blobPath(desc.Digest))
	return err == nil && info.Mode().IsRegular() && info.Size() == desc.Size
}

// blobPath wants a valid digest: its two parts are then safe file names.
func (s *Store) blobPath(d digest.Digest) string {
	return s.path("blobs", d.Algorithm().String(), d.Encoded())
}

// maxGuess is how large a file may be that is hashed although it is larger than
// it should be: it takes a tenth of a second to tell whether it is bad, or the
// size wrong that it should have.
const maxGuess = 64 << 20

// openBlob opens a file of content whose hash is its name, and notes its use.
// One of more than most bytes is not what is wanted, and not here: to hash it
// could take hours, as somebody may have meant who has put it there.
func (s *Store) openBlob(ctx context.Context, d digest.Digest, most int64) (*os.File, fs.FileInfo, error) {
	f, info, err := s.peekBlob(ctx, d, most)
	if err == nil && !used(s.blobPath(d), info) {
		f.Close()
		return nil, nil, missing(d)
	}
	return f, info, err
}

// peekBlob is openBlob for looking around, which is no use.
func (s *Store) peekBlob(ctx context.Context, d digest.Digest, most int64) (*os.File, fs.FileInfo, error) {
	if _, ok := s.knows(d); !ok {
		return nil, nil, missing(d)
	}
	f, info, err := openRegular(s.blobPath(d))
	if err == nil && info.Size() > most {
		err = limit.ErrExceeded
	} else if err == nil {
		err = s.hash(ctx, f, d, info.Size())
	}
	if err == nil {
		return f, info, nil
	}
	if f != nil {
		f.Close()
	}
	return nil, nil, s.notHere(ctx, d, info, err)
}

// readBlob is peekBlob into memory, in one reading: what was hashed is what is
// returned, whoever writes to the file.
func (s *Store) readBlob(ctx context.Context, d digest.Digest, most int64) (data []byte, info fs.FileInfo, err error) {
	if _, ok := s.knows(d); !ok {
		return nil, nil, missing(d)
	}
	f, info, err := openRegular(s.blobPath(d))
	if f != nil {
		defer f.Close()
	}
	if err == nil && info.Size() > most {
		err = limit.ErrExceeded
	} else if err == nil {
		data = make([]byte, info.Size())
		n, readErr := io.ReadFull(f, data)
		if err = readErr; err == io.EOF || err == io.ErrUnexpectedEOF {
			err = nil // it became shorter, which the hash tells
		}
		if err == nil {
			err = verify.Bytes(data[:n], ocispec.Descriptor{Digest: d, Size: info.Size()})
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, nil, s.notHere(ctx, d, info, err)
	}
	return data, info, nil
}

// notHere is what a reader is told of a file that could not be opened, or is not
// what its name says. Such a one is removed: the caller has closed it.
func (s *Store) notHere(ctx context.Context, d digest.Digest, info fs.FileInfo, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, limit.ErrExceeded):
	case errors.Is(err, verify.ErrMismatch), errors.Is(err, errIrregular):
		s.log.Warn("bad file in the cache removed", "digest", d, "error", err)
		s.removeSame(s.blobPath(d), info)
	default:
		s.trouble(cannotRead, err)
	}
	return missing(d)
}

// hash reads f from its beginning and compares it with the digest and size.
func (s *Store) hash(ctx context.Context, f io.ReaderAt, d digest.Digest, size int64) error {
	return s.copyVerified(ctx, nil, f, ocispec.Descriptor{Digest: d, Size: size})
}

// copyVerified copies content from the beginning of a file, to nowhere if to is
// nil. What was copied is good if there is no error.
func (s *Store) copyVerified(ctx context.Context, to io.Writer, from io.ReaderAt, desc ocispec.Descriptor) error {
	r, err := verify.NewReader(io.NewSectionReader(from, 0, desc.Size+1), desc)
	if err != nil {
		return err
	}
	return s.copy(ctx, to, r)
}

// copy moves src to dst, a nil dst meaning nowhere, until src ends.
func (s *Store) copy(ctx context.Context, dst io.Writer, src io.Reader) error {
	// io.CopyBuffer would leave the buffer aside for io.Discard, and take no
	// notice of ctx.
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := src.Read(*buf)
		if n > 0 && dst != nil {
			if _, err := dst.Write((*buf)[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

var errIrregular = errors.New("not a regular file")

// openRegular opens a file to read, and anything else not: opening a pipe
// could wait forever. The info is there with errIrregular too.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, info, errIrregular
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openNonblock, 0) // it may be a pipe by now
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = errIrregular
	}
	if err != nil {
		f.Close()
		return nil, info, err
	}
	return f, info, nil
}

func missing(d digest.Digest) error {
	return fmt.Errorf("cache: content %s: %w", d, registry.ErrNotFound)
}

// checkDescriptor lets only such digests near the file system that are safe
// as file names.
func checkDescriptor(desc ocispec.Descriptor) error {
	if err := desc.Digest.Validate(); err != nil {
		return &registry.ReferenceError{Reference: desc.Digest.String(), Problem: err.Error()}
	}
	if desc.Size < 0 {
		return &registry.ReferenceError{Reference: desc.Digest.String(), Problem: fmt.Sprintf("its descriptor has the size %d", desc.Size)}
	}
	return nil
}
