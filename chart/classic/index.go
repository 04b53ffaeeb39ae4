package classic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/portolan-oci/portolan/internal/tempfile"
	"github.com/portolan-oci/portolan/registry"
)

// index is an index.yaml in a file, with the table of its charts. It is
// immutable and safe for concurrent use until closed.
type index struct {
	file  indexFile
	table *table
}

// indexFile is an *os.File, or one that vanishes when closed.
type indexFile interface {
	io.ReaderAt
	io.Closer
}

// readIndex makes the table of an index of size bytes, of which at most whole
// are read at once. The file belongs to
// the result, and is closed when readIndex fails.
func readIndex(ctx context.Context, f indexFile, size, whole int64) (*index, error) {
	x, err := tabulate(ctx, f, size, whole)
	if errors.Is(err, ErrInvalidIndex) {
		err = explain(f, size, err)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if x.file != f {
		f.Close() // it was written out again
	}
	return x, nil
}

func tabulate(ctx context.Context, f indexFile, size, whole int64) (*index, error) {
	t, err := scan(ctx, io.NewSectionReader(f, 0, size))
	if err == nil {
		return &index{f, t}, nil
	}
	if !errors.Is(err, errNotBlock) {
		return nil, err
	}
	other, err := tempfile.New()
	if err != nil {
		return nil, err
	}
	err = rewrite(ctx, io.NewSectionReader(f, 0, size), other, whole)
	if err == nil {
		size, err = other.Seek(0, io.SeekCurrent)
	}
	if err == nil {
		t, err = scan(ctx, io.NewSectionReader(other, 0, size))
	}
	if errors.Is(err, errNotBlock) {
		err = fmt.Errorf("%w: its layout cannot be read", ErrInvalidIndex)
	}
	if err != nil {
		return nil, errors.Join(err, other.Close())
	}
	return &index{other, t}, nil
}

// explain tells in words what servers answer with instead of an index. It looks
// only at what could not be read: YAML may begin with "<" too.
func explain(f io.ReaderAt, size int64, err error) error {
	head := make([]byte, min(size, 512))
	n, rerr := f.ReadAt(head, 0)
	if rerr != nil && rerr != io.EOF {
		return rerr
	}
	head = bytes.TrimSpace(bytes.TrimPrefix(head[:n], utf8BOM))
	switch {
	case len(head) == 0 && size <= 512:
		return fmt.Errorf("%w: it is empty", ErrInvalidIndex)
	case bytes.HasPrefix(head, []byte("<")):
		return &registry.Error{Op: "read index", Kind: registry.ErrUnavailable,
			Err:  fmt.Errorf("%w: it is a web page", ErrInvalidIndex),
			Hint: "the URL is that of another server, or of a login page: give the one that index.yaml is under"}
	}
	return err
}
