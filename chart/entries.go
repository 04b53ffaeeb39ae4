package chart

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"

	"github.com/portolan-oci/portolan/internal/limit"
)

// Entry is one file of an archive. Its reader ends with the iteration step
// that gave it.
type Entry struct {
	Name string // below the chart's root, with slashes, clean: "templates/service.yaml"
	Size int64  // in bytes
	Mode fs.FileMode
	io.Reader
}

// errStop ends a scan early.
var errStop = errors.New("stop")

// Entries iterates over the files of the archive in its order; directories
// are left out, whose names are in those of their files. Reading an entry is
// optional. An error is yielded once, with a nil entry, and ends it: it names
// the entry and matches ErrInvalidArchive, ErrUnsafeArchive or ErrTooLarge, or
// is that of the file beneath. Earlier entries may have come from an archive
// that turns out hostile: act on them after the iteration.
func (a *Archive) Entries() iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		err := a.scan(a.section(), func(e *Entry) error {
			if !yield(e, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// scan reads the archive from r and calls visit for each file. When visit asks
// for no stop, r is read to its end.
func (a *Archive) scan(r io.Reader, visit func(*Entry) error) error {
	r = bufio.NewReaderSize(r, ioBuffer) // gzip's own has 4 KiB
	zr, err := gzip.NewReader(r)
	if err != nil {
		return a.readFault("", err)
	}
	most := a.limits.stream()
	if a.stream != nil {
		most = *a.stream
	}
	stream := limit.NewReader(zr, most)
	if a.stream != nil {
		defer func() { *a.stream -= stream.Count() }()
	}
	s := &scanner{a: a, tar: tar.NewReader(stream), names: newNameSet()}
	for {
		e, err := s.next()
		if err == io.EOF {
			break
		}
		if err == nil && e != nil {
			err = visit(e)
		}
		if err != nil {
			return err
		}
	}
	if s.files == 0 {
		return a.fault("", "has no files", ErrInvalidArchive)
	}
	if !a.lenient {
		if err := a.checkTail(stream); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

// checkTail reads what follows the tar archive: zeros, as tar pads to a full
// record, and the gzip checksum, which is verified on the way. Anything else
// is content that other readers might take for a part of the chart.
func (a *Archive) checkTail(stream io.Reader) error {
	buf := make([]byte, 4096)
	for {
		n, err := stream.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return a.fault("", "goes on after the end of its tar file", ErrInvalidArchive)
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, gzip.ErrHeader):
			return a.fault("", "is followed by something that is not gzip", ErrInvalidArchive)
		case err != nil:
			return a.readFault("", err)
		}
	}
}

// scanner is one pass over the tar file.
type scanner struct {
	a       *Archive
	tar     *tar.Reader
	names   *nameSet
	top     string // the chart's directory in the archive
	last    string // the entry before, for errors that have none
	entries int
	files   int
	total   int64
}

// next returns the next file, or nil for an entry that is none.
func (s *scanner) next() (*Entry, error) {
	hdr, err := s.tar.Next()
	if err == io.EOF {
		return nil, err
	}
	// GODEBUG=tarinsecurepath=0 gives such an entry together with an error; we
	// check names ourselves.
	if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
		return nil, s.a.readFault(s.last, err)
	}
	s.last = hdr.Name
	if s.entries++; s.entries > s.a.limits.Entries {
		return nil, s.a.fault(hdr.Name, fmt.Sprintf("is beyond the limit of %d entries", s.a.limits.Entries), ErrTooLarge)
	}
	if hdr.Typeflag == tar.TypeXGlobalHeader { // "git archive" begins with one
		return nil, nil
	}
	if s.a.lenient {
		return s.lenient(hdr)
	}
	return s.strict(hdr)
}

func (s *scanner) strict(hdr *tar.Header) (*Entry, error) {
	dir := hdr.Typeflag == tar.TypeDir
	switch {
	case !dir && hdr.Typeflag != tar.TypeReg:
		return nil, s.a.fault(hdr.Name, "is "+kindOf(hdr)+", not a file", ErrUnsafeArchive)
	case hdr.FileInfo().IsDir() != dir:
		return nil, s.a.fault(hdr.Name, "is a file by its type and a directory by its mode", ErrUnsafeArchive)
	case dir && hdr.Size > 0: // a file by its type, a directory by the slash at its end
		return nil, s.a.fault(hdr.Name, "is a directory with content", ErrUnsafeArchive)
	}
	top, name, err := splitName(hdr.Name, dir)
	if err == nil && s.top != "" && top != s.top {
		err = &nameError{"is not in the directory " + quoted(s.top) + " where the others are", ErrInvalidArchive}
	}
	if err == nil && name != "" {
		err = checkName(name, s.a.limits)
	}
	if err == nil && name != "" {
		err = s.names.add(name, dir)
	}
	var ne *nameError
	if errors.As(err, &ne) {
		return nil, s.a.fault(hdr.Name, ne.problem, ne.kind)
	}
	s.top = top
	if dir {
		return nil, nil
	}
	return s.file(hdr, name)
}

func (s *scanner) lenient(hdr *tar.Header) (*Entry, error) {
	if hdr.FileInfo().IsDir() {
		return nil, nil
	}
	name, err := helmName(hdr.Name)
	if err == nil {
		err = checkName(name, s.a.limits)
	}
	var ne *nameError
	if errors.As(err, &ne) {
		return nil, s.a.fault(hdr.Name, ne.problem, ne.kind)
	}
	return s.file(hdr, name)
}

// file checks the size before a byte is read, and counts it whether or not it
// is read; a sparse entry counts with all its holes.
func (s *scanner) file(hdr *tar.Header, name string) (*Entry, error) {
	limits := s.a.limits
	if hdr.Size > limits.File {
		return nil, s.a.fault(hdr.Name, fmt.Sprintf("has %d bytes; the limit for a file is %d", hdr.Size, limits.File), ErrTooLarge)
	}
	if s.total += hdr.Size; s.total > limits.Total {
		return nil, s.a.fault(hdr.Name, fmt.Sprintf("brings the chart beyond its limit of %d bytes", limits.Total), ErrTooLarge)
	}
	s.files++
	return &Entry{Name: name, Size: hdr.Size, Mode: hdr.FileInfo().Mode().Perm(), Reader: &entryReader{s.a, hdr.Name, s.tar}}, nil
}
