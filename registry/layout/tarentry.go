package layout

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/atomicfile"
	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/verify"
)

// start makes the temporary file and takes over what was there.
func (w *TarWriter) start(ctx context.Context) error {
	if w.out != nil {
		return nil
	}
	out, err := atomicfile.Create(w.path, 0o666)
	if err != nil {
		return err
	}
	w.out = out
	if err := w.takeOver(ctx); err != nil {
		w.out, w.end = nil, 0
		clear(w.dirs)
		w.restore()
		return errors.Join(err, out.Close())
	}
	return nil
}

// restore lets the parts be those of the file that was there: the temporary
// one is gone.
func (w *TarWriter) restore() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range w.parts {
		w.parts[name] = w.base.tarFiles[name]
	}
}

func (w *TarWriter) takeOver(ctx context.Context) error {
	if err := w.entry(ocispec.ImageLayoutFile, strings.NewReader(marker), int64(len(marker))); err != nil {
		return err
	}
	w.mu.Lock()
	var names []string
	for name := range w.parts {
		names = append(names, name)
	}
	w.mu.Unlock()
	slices.Sort(names)
	for _, name := range names {
		p := w.base.tarFiles[name]
		r := io.NewSectionReader(p, 0, p.Size())
		if err := w.entry(name, limit.WithContext(ctx, r), p.Size()); err != nil {
			return err
		}
	}
	return nil
}

func (w *TarWriter) add(ctx context.Context, desc ocispec.Descriptor, from io.Reader) error {
	v, err := verify.NewReader(from, desc)
	if err != nil {
		return err
	}
	return w.entry(blobPath(desc.Digest), limit.WithContext(ctx, v), desc.Size)
}

// entry writes one file, and the directory above it before the first in it:
// some readers want it. An entry that fails is cut off again.
func (w *TarWriter) entry(name string, from io.Reader, size int64) (err error) {
	begin := w.end
	defer func() {
		if err != nil {
			_, serr := w.out.Seek(begin, io.SeekStart)
			err = errors.Join(err, w.out.Truncate(begin), serr)
			clear(w.dirs) // those before the entry are cut off too
		}
	}()
	if err := w.directory(path.Dir(name)); err != nil {
		return err
	}
	archive := tar.NewWriter(w.out) // one for each: a writer that failed once is of no more use
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	at, err := w.out.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if n, err := io.Copy(archive, from); err != nil {
		return err
	} else if n != size {
		return fmt.Errorf("%s has %d of %d bytes", name, n, size)
	}
	if err := archive.Flush(); err != nil {
		return err
	}
	if w.end, err = w.out.Seek(0, io.SeekCurrent); err != nil {
		return err
	}
	if strings.HasPrefix(name, ocispec.ImageBlobsDir) {
		w.mu.Lock()
		w.parts[name] = &tarPart{io.NewSectionReader(w.out, at, size)}
		w.mu.Unlock()
	}
	return nil
}

func (w *TarWriter) directory(name string) error {
	if name == "." || w.dirs[name] {
		return nil
	}
	if err := w.directory(path.Dir(name)); err != nil {
		return err
	}
	w.dirs[name] = true
	return tar.NewWriter(w.out).WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
}
