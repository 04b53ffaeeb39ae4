package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

func (x *copier) blob(ctx context.Context, desc ocispec.Descriptor) error {
	if x.mount != nil && !x.unmounted.Load() {
		mounted, err := x.mount.Mount(ctx, desc, x.mountFrom)
		if err != nil {
			return err
		}
		if mounted {
			x.spared(desc, &x.mounted)
			return nil
		}
		x.unmounted.Store(true)
	}
	there, err := x.dst.Exists(ctx, desc)
	if err != nil {
		return wrapEnd("check", x.to.WithDigest(desc.Digest), err)
	}
	if there {
		x.spared(desc, &x.existed)
		return nil
	}
	return x.sendBlob(ctx, desc)
}

// sendBlob sends a blob without asking whether it is there.
func (x *copier) sendBlob(ctx context.Context, desc ocispec.Descriptor) error {
	content := &reopening{open: func() (io.ReadCloser, error) { return x.fetch(ctx, desc) }}
	defer content.Close()
	err := x.dst.Push(ctx, desc, content)
	if errors.Is(err, registry.ErrDigestMismatch) { // what stood between may have mangled it, or a mirror lied
		if _, err = content.Seek(0, io.SeekStart); err == nil {
			err = x.dst.Push(ctx, desc, content)
		}
	}
	if errors.Is(err, registry.ErrExists) {
		x.existed.Add(desc.Size)
		return nil
	}
	if err != nil {
		return wrapEnd("copy", x.to.WithDigest(desc.Digest), err)
	}
	x.sent.Add(desc.Size)
	return nil
}

// fetch opens content of the source, which may be one that does not verify.
func (x *copier) fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	rc, err := x.src.Fetch(ctx, desc)
	if err != nil {
		return nil, wrapEnd("fetch", x.from.WithDigest(desc.Digest), err)
	}
	verified, err := verify.Ensure(rc, desc)
	if err != nil {
		rc.Close()
		return nil, wrapEnd("fetch", x.from.WithDigest(desc.Digest), err)
	}
	return struct {
		io.Reader
		io.Closer
	}{verified, rc}, nil
}

// reopening is content of a source that is opened when it is first read, once
// the target has said that it takes it, and again when it is wanted from the
// start. It may be closed while it is read: a transport can still be at it when
// its request has failed.
type reopening struct {
	open func() (io.ReadCloser, error)

	mu     sync.Mutex
	rc     io.ReadCloser
	n      int64
	closed bool
}

var errReopeningClosed = errors.New("the copy of this content has ended")

func (r *reopening) Read(p []byte) (int, error) {
	rc, err := r.current()
	if err != nil {
		return 0, err
	}
	n, err := rc.Read(p)
	r.mu.Lock()
	r.n += int64(n)
	r.mu.Unlock()
	return n, err
}

func (r *reopening) current() (io.ReadCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errReopeningClosed
	}
	var err error
	if r.rc == nil {
		r.rc, err = r.open()
	}
	return r.rc, err
}

// Seek knows where it is, and the way to the start.
func (r *reopening) Seek(offset int64, whence int) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case offset == 0 && whence == io.SeekCurrent:
		return r.n, nil
	case offset == 0 && whence == io.SeekStart:
		rc := r.rc
		r.rc, r.n = nil, 0
		if rc != nil {
			return 0, rc.Close()
		}
		return 0, nil
	}
	return r.n, fmt.Errorf("seek to %d from %d: %w", offset, whence, errors.ErrUnsupported)
}

func (r *reopening) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.rc == nil {
		return nil
	}
	return r.rc.Close()
}
