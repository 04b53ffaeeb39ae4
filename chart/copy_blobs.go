package chart

import (
	"context"
	"errors"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

func (x *copier) blobs(ctx context.Context, all []ocispec.Descriptor) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelBlobs)
	for _, desc := range all {
		g.Go(func() error { return x.blob(ctx, desc) })
	}
	return g.Wait()
}

func (x *copier) blob(ctx context.Context, desc ocispec.Descriptor) error {
	if x.mount != nil && !x.unmounted.Load() {
		mounted, err := x.mount.Mount(ctx, desc, x.mountFrom)
		if err != nil {
			return err
		}
		if mounted {
			x.mounted.Add(desc.Size)
			return nil
		}
		x.unmounted.Store(true)
	}
	there, err := x.dst.Exists(ctx, desc)
	if err != nil {
		return wrapEnd("check", x.to.WithDigest(desc.Digest), err)
	}
	if there {
		x.existed.Add(desc.Size)
		return nil
	}
	content := &reopening{open: func() (io.ReadCloser, error) { return x.fetch(ctx, desc) }}
	defer content.Close()
	err = x.dst.Push(ctx, desc, x.watch(content, desc))
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

// watch keeps a reader that can seek one that can: an upload may have to begin
// again.
func (x *copier) watch(r io.ReadSeeker, desc ocispec.Descriptor) io.Reader {
	if x.progress == nil {
		return r
	}
	return struct {
		io.Reader
		io.Seeker
	}{watched{r, desc, x.progress}, r}
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
// start. It is not safe for concurrent use.
type reopening struct {
	open func() (io.ReadCloser, error)
	rc   io.ReadCloser
	n    int64
}

func (r *reopening) Read(p []byte) (int, error) {
	if r.rc == nil {
		rc, err := r.open()
		if err != nil {
			return 0, err
		}
		r.rc = rc
	}
	n, err := r.rc.Read(p)
	r.n += int64(n)
	return n, err
}

// Seek knows where it is, and the way to the start.
func (r *reopening) Seek(offset int64, whence int) (int64, error) {
	switch {
	case offset == 0 && whence == io.SeekCurrent:
		return r.n, nil
	case offset == 0 && whence == io.SeekStart:
		err := r.Close()
		r.rc, r.n = nil, 0
		return 0, err
	}
	return r.n, fmt.Errorf("seek to %d from %d: %w", offset, whence, errors.ErrUnsupported)
}

func (r *reopening) Close() error {
	if r.rc == nil {
		return nil
	}
	return r.rc.Close()
}
