package layout

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/atomicfile"
	"github.com/portolan-oci/portolan/registry"
)

// TarWriter adds to a layout in a tar file, or makes one. All of it is written
// into a temporary file beside, which Commit puts in place: until then the
// file is what it was, and without Commit it stays so. What it held is copied
// along, as far as it belongs to the layout.
//
// It is safe for concurrent use, but a tar file is one stream: content is
// written one at a time.
type TarWriter struct {
	target
	path    string
	base    *Tar          // what the file held; nil: nothing
	turn    chan struct{} // holds one value while somebody writes
	changed bool          // belongs to whose turn it is, as does all but the parts
	out     *atomicfile.File
	end     int64
	dirs    map[string]bool

	mu    sync.Mutex
	parts tarFiles
	list  *ocispec.Index
}

var (
	_ registry.Target          = (*TarWriter)(nil)
	_ registry.ReferencePusher = (*TarWriter)(nil)
	_ registry.TagLister       = (*TarWriter)(nil)
	_ registry.ReferrerLister  = (*TarWriter)(nil)
)

// CreateTar opens the layout in a tar file for writing, or begins one where
// there is no file. Another file is ErrNotLayout, and left alone. The caller
// calls Commit, and Close in any case.
func CreateTar(ctx context.Context, path string) (*TarWriter, error) {
	w := &TarWriter{path: path, turn: make(chan struct{}, 1), parts: tarFiles{}, dirs: map[string]bool{}, list: newIndex()}
	w.target = target{content{path, w}, w}
	base, err := OpenTar(path)
	if errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return nil, err
	}
	if w.list, err = base.index(ctx); err != nil {
		base.Close()
		return nil, w.fail("open", err)
	}
	w.base = base
	for name, p := range base.tarFiles {
		if strings.HasPrefix(name, ocispec.ImageBlobsDir) {
			w.parts[name] = p
		}
	}
	return w, nil
}

// open implements files. index.json is the one in memory.
func (w *TarWriter) open(name string) (part, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name == ocispec.ImageIndexFile {
		data, err := encode(w.list)
		return tarPart{io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data)))}, err
	}
	return w.parts.open(name)
}

// begin waits for the turn to write. The caller calls end, once.
func (w *TarWriter) begin(ctx context.Context) (end func(), err error) {
	select {
	case w.turn <- struct{}{}:
		return func() { <-w.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *TarWriter) update(ctx context.Context, change func(*ocispec.Index) bool) error {
	end, err := w.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = change(w.list) || w.changed
	return nil
}

func (w *TarWriter) writeBlob(ctx context.Context, desc ocispec.Descriptor, from io.Reader) error {
	end, err := w.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if err := w.start(ctx); err != nil {
		return err
	}
	w.changed = true
	return w.add(ctx, desc, from)
}

// Commit puts the file in place, if anything was written, and closes it. The
// error matches registry.ErrExists when somebody else has written it since: the
// file is theirs then. Nothing may be written afterwards.
func (w *TarWriter) Commit(ctx context.Context) error {
	end, err := w.begin(ctx)
	if err == nil {
		err = w.commit(ctx)
		end()
	}
	if err != nil {
		return w.fail("write", err)
	}
	return nil
}

func (w *TarWriter) commit(ctx context.Context) error {
	if !w.changed && w.base != nil {
		return nil
	}
	if err := w.start(ctx); err != nil {
		return err
	}
	w.mu.Lock()
	data, err := encode(w.list)
	w.mu.Unlock()
	if err == nil {
		err = w.entry(ocispec.ImageIndexFile, bytes.NewReader(data), int64(len(data)))
	}
	if err == nil {
		err = tar.NewWriter(w.out).Close() // the end of the tar file
	}
	if err == nil {
		err = w.unchanged()
	}
	if err != nil {
		return err
	}
	if w.base != nil { // Windows replaces no file that is open
		if err := w.base.Close(); err != nil {
			return err
		}
		w.base = nil
	}
	return w.out.Commit()
}

// unchanged tells whether the file is still the one that was read. Between
// this and the rename there is a moment that no lock covers.
func (w *TarWriter) unchanged() error {
	now, err := os.Stat(w.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case w.base == nil:
	case os.SameFile(now, w.base.info) && now.Size() == w.base.info.Size() && now.ModTime().Equal(w.base.info.ModTime()):
		return nil
	}
	return fmt.Errorf("%w: somebody else has written the file meanwhile", registry.ErrExists)
}

// Close closes what is open, and takes the temporary file away unless Commit
// has put it in place. It may be called again.
func (w *TarWriter) Close() error {
	var err error
	if w.out != nil {
		err = w.out.Close()
	}
	if w.base != nil {
		err = errors.Join(err, w.base.Close())
		w.base = nil
	}
	return err
}
