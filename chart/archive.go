package chart

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/tempfile"
)

// ArchiveOptions change how an archive is read. The zero value, like nil, is
// strict and has the default limits.
type ArchiveOptions struct {
	Limits Limits
	// Lenient reads what Helm reads: of several top directories, or of two
	// entries of one name, the later adds to the earlier; links and devices are
	// empty files; what follows the end is not looked at. Names that leave the
	// root are refused all the same.
	Lenient bool
}

// Archive is a packaged chart: a gzip-compressed tar file with one directory,
// and Chart.yaml in that. Each method reads it anew, as a stream, in bounded
// memory. It is immutable and safe for concurrent use until Close.
//
// Nothing has been checked when Open, NewArchive or Read return: Entries,
// Metadata and ReadFile check what they pass, and all that they pass only once
// they have come to the end without an error.
type Archive struct {
	path    string
	r       io.ReaderAt
	size    int64
	limits  Limits
	lenient bool
	stream  *int64                   // bytes that it may decompress to, shared with others; nil: what limits says
	known   atomic.Pointer[Metadata] // what a whole read found; see checkedMetadata
}

// Open opens a packaged chart, a .tgz file. The caller closes it. Beside the
// file system's errors it answers ErrInvalidArchive where path is a directory
// (Pack takes those), or no regular file, or does not begin as gzip.
func Open(path string, opts *ArchiveOptions) (*Archive, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		problem := "is not a regular file"
		if fi.IsDir() {
			problem = "is a directory where an archive is wanted"
		}
		return nil, &ArchiveError{Path: path, Problem: problem, Err: ErrInvalidArchive}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if fi, err = f.Stat(); err != nil {
		f.Close()
		return nil, err
	}
	return newArchive(path, f, fi.Size(), opts)
}

// NewArchive reads a packaged chart of size bytes from r. If r is an
// io.Closer, it belongs to the archive from here on: Close closes it, and so
// does NewArchive when it fails. The error matches ErrInvalidArchive where r
// does not begin as gzip.
func NewArchive(r io.ReaderAt, size int64, opts *ArchiveOptions) (*Archive, error) {
	return newArchive("", r, size, opts)
}

func newArchive(path string, r io.ReaderAt, size int64, opts *ArchiveOptions) (*Archive, error) {
	if opts == nil {
		opts = &ArchiveOptions{}
	}
	limits, err := opts.Limits.resolve(opts.Lenient)
	a := &Archive{path: path, r: r, size: size, limits: limits, lenient: opts.Lenient}
	if err == nil && r == nil {
		err = a.fault("", "no content", ErrInvalidArchive)
	}
	if err == nil {
		err = a.checkMagic()
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// Read copies a packaged chart from r, to its end, into a temporary file
// without a name; Close frees it. The error matches ErrTooLarge as soon as r
// has given more than an archive within the limits can take, and
// ErrInvalidArchive where r does not begin as gzip. It does not close r.
func Read(r io.Reader, opts *ArchiveOptions) (*Archive, error) {
	if opts == nil {
		opts = &ArchiveOptions{}
	}
	limits, err := opts.Limits.resolve(opts.Lenient)
	if err != nil {
		return nil, err
	}
	f, err := tempfile.New()
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(f, limit.NewReader(r, limits.packed()))
	if err != nil {
		f.Close()
		if errors.Is(err, limit.ErrExceeded) {
			return nil, &ArchiveError{Problem: fmt.Sprintf("is larger than any archive of %d bytes of files", limits.Total), Err: ErrTooLarge}
		}
		return nil, err
	}
	return newArchive("", f, n, opts)
}

// checkMagic tells early, and in words, what people hand over instead of a
// chart.
func (a *Archive) checkMagic() error {
	head := make([]byte, 264)
	n, err := a.r.ReadAt(head[:min(a.size, int64(len(head)))], 0)
	if err != nil && err != io.EOF {
		return err
	}
	head = head[:n]
	var is string
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b, 8}):
		return nil
	case len(head) == 0:
		is = "is empty"
	case len(head) >= 262 && string(head[257:262]) == "ustar":
		is = "is a tar file without compression"
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		is = "is a zip file"
	case bytes.HasPrefix(bytes.TrimSpace(head), []byte("<")):
		is = "is an HTML or XML page"
	case bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")):
		is = "is JSON"
	default:
		is = "is something else"
	}
	return &ArchiveError{Path: a.path, Problem: is + ", not a packaged chart (gzip-compressed tar)", Err: ErrInvalidArchive}
}

// Size is the length of the archive, compressed, in bytes.
func (a *Archive) Size() int64 { return a.size }

// Reader returns the archive's own bytes from their start: an
// *io.SectionReader, which can also seek. Each has a position of its own.
func (a *Archive) Reader() io.Reader { return a.section() }

func (a *Archive) section() *io.SectionReader { return io.NewSectionReader(a.r, 0, a.size) }

// Close releases the file beneath; reads after it fail. A nil Archive has
// none.
func (a *Archive) Close() error {
	if a == nil {
		return nil
	}
	if c, ok := a.r.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// ReadFile returns one file, such as values.yaml or README.md, named from the
// chart's root with slashes. It reads to the end of the archive: what it
// returns is what every other reader finds under this name. It matches
// fs.ErrNotExist where there is none; other errors as for Metadata, but
// Chart.yaml may be missing or wrong.
func (a *Archive) ReadFile(name string) ([]byte, error) {
	var data []byte
	found := false
	err := a.scan(a.section(), func(e *Entry) (err error) {
		if e.Name == name {
			found = true
			data, err = io.ReadAll(e)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, a.fault(name, "is not in the archive", fs.ErrNotExist)
	}
	return data, nil
}

func (a *Archive) fault(entry, problem string, err error) error {
	return &ArchiveError{Path: a.path, Entry: entry, Problem: problem, Err: err}
}
