package chart

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"time"

	"github.com/portolan-oci/portolan/internal/limit"
)

// write writes the package.
func (d *directory) write(ctx context.Context, w io.Writer, t time.Time) error {
	// The header that NewWriter sets up names no file, no time and no system
	// (OS 255), which is what makes it the same everywhere.
	bw := bufio.NewWriterSize(w, ioBuffer)
	zw := gzip.NewWriter(bw)
	tw := tar.NewWriter(zw)
	for _, f := range d.files {
		if err := d.writeFile(ctx, tw, f, t); err != nil {
			return err
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	if err := zw.Close(); err != nil {
		return err
	}
	return bw.Flush()
}

// writeFile leaves the format open: tar's writer then takes USTAR, and PAX for
// a name that does not fit, with a header that depends on that name alone.
func (d *directory) writeFile(ctx context.Context, tw *tar.Writer, f sourceFile, t time.Time) error {
	err := tw.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg,
		Name:     d.meta.Name + "/" + f.name,
		Mode:     0o644,
		Size:     f.size,
		ModTime:  t,
	})
	if err != nil {
		return d.faultAt(f.in, f.rel, err.Error(), err)
	}
	if f.data != nil {
		_, err = io.Copy(tw, bytes.NewReader(f.data))
		return err
	}
	r, err := d.open(f)
	if err != nil {
		return err
	}
	defer r.Close()
	// One byte more than the header says tells whether the file has grown.
	n, err := io.Copy(tw, io.LimitReader(limit.WithContext(ctx, r), f.size+1))
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != f.size {
		return d.faultAt(f.in, f.rel, errChanged.Error(), errChanged)
	}
	return err
}
