package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/atomicfile"
	"github.com/portolan-oci/portolan/internal/verify"
)

// Put keeps content under its digest. It reads content to its end and verifies
// it even where the digest is already here, and replaces what is: after a Put
// that succeeded, what lies there is what was read. Content is not closed.
//
// The error matches registry.ErrDigestMismatch when size or digest are wrong,
// registry.ErrInvalidReference when the digest is malformed, and else is that
// of the reader, of the directory or of ctx. Nothing is left behind then.
func (s *Store) Put(ctx context.Context, desc ocispec.Descriptor, content io.Reader) error {
	if err := checkDescriptor(desc); err != nil {
		return err
	}
	r, err := verify.NewReader(content, desc)
	if err != nil {
		return err
	}
	in, err := s.newIngest("")
	if err != nil {
		return fmt.Errorf("cache: keep %s: %w", desc.Digest, err)
	}
	defer in.discard()
	if err := s.copy(ctx, in, r); err != nil {
		return fmt.Errorf("cache: keep %s: %w", desc.Digest, err)
	}
	if err := in.keep(ctx, desc); err != nil {
		return fmt.Errorf("cache: keep %s: %w", desc.Digest, err)
	}
	return nil
}

// contentMode is that of content, less the umask: it is written once, by us.
const contentMode = 0o644

// ingest is a file of content on its way in. It vanishes unless kept.
type ingest struct {
	*os.File
	store *Store
	done  bool
}

// newIngest makes a file of that name, in place of what somebody who was killed
// has left, or of any name where it is empty. It is always a new file: whoever
// has one of that name open writes elsewhere.
func (s *Store) newIngest(name string) (*ingest, error) {
	path := s.path("ingest", name)
	if name == "" {
		path = s.path("ingest", rand.Text())
	} else {
		os.Remove(path) // what cannot be removed is in the way
	}
	in := &ingest{store: s}
	err := s.withParent(path, func() (err error) {
		in.File, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, contentMode)
		return err
	})
	if name != "" && errors.Is(err, fs.ErrExist) {
		return s.newIngest("")
	}
	if err != nil {
		return nil, err
	}
	return in, nil
}

// kept gives the file its name and goes on with the open file, as a reader of a
// removed one could. The ingest is over unless there is an error.
func (in *ingest) kept(ctx context.Context, desc ocispec.Descriptor) (*Content, error) {
	if runtime.GOOS == "windows" { // an open file cannot be renamed there
		return in.keptAnew(ctx, desc)
	}
	if err := in.rename(ctx, desc); err != nil {
		return nil, err
	}
	return newContent(in.File, desc, FromNetwork), nil
}

// keptAnew is kept by way of a closed file. One that could not be kept is open
// again, for whoever has no other copy of what it holds.
func (in *ingest) keptAnew(ctx context.Context, desc ocispec.Descriptor) (*Content, error) {
	if err := in.keep(ctx, desc); err != nil {
		if f, openErr := os.OpenFile(in.Name(), os.O_RDWR, 0); openErr == nil {
			in.File = f
		}
		return nil, err
	}
	c, err := in.store.Open(ctx, desc)
	if err == nil {
		c.origin = FromNetwork
	}
	return c, err
}

// keep closes the file, its error checked (a full disk may show only here),
// and gives it its name.
func (in *ingest) keep(ctx context.Context, desc ocispec.Descriptor) error {
	if err := in.Close(); err != nil {
		return err
	}
	return in.rename(ctx, desc)
}

// rename gives the file its name. Windows refuses that where somebody reads a
// file of that name: a good one will do as well. That the partition knows the
// content, which it has brought here, is noted first: without the content that
// says nothing.
func (in *ingest) rename(ctx context.Context, desc ocispec.Descriptor) error {
	if err := in.store.learn(desc.Digest); err != nil {
		return err
	}
	path := in.store.blobPath(desc.Digest)
	err := in.store.withParent(path, func() error { return os.Rename(in.Name(), path) })
	if err == nil {
		in.done = true
		return in.store.learn(desc.Digest) // a collection may have forgotten it meanwhile
	}
	if in.store.has(desc) {
		if c, err := in.store.Open(ctx, desc); err == nil {
			c.Close()
			in.done = true
			return atomicfile.Remove(in.Name())
		}
	}
	if err := atomicfile.Rename(in.Name(), path); err != nil { // theirs was bad, and is done with soon
		return err
	}
	in.done = true
	return nil
}

// discard closes the file and removes it if it was not renamed. It may be
// called again, and after keep.
func (in *ingest) discard() {
	in.Close() // may be closed already
	if in.done {
		return
	}
	in.done = true
	if err := atomicfile.Remove(in.Name()); err != nil {
		in.store.trouble(cannotRemove, err)
	}
}
