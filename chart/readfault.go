package chart

import (
	"archive/tar"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/portolan-oci/portolan/internal/limit"
)

// entryReader gives a read error the entry's name.
type entryReader struct {
	a    *Archive
	name string
	r    io.Reader
}

func (e *entryReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && err != io.EOF {
		err = e.a.readFault(e.name, err)
	}
	return n, err
}

// readFault sorts what the tar and gzip readers say: broken content is the
// archive's fault, anything else the file's beneath.
func (a *Archive) readFault(entry string, err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, limit.ErrExceeded):
		return a.fault(entry, fmt.Sprintf("is followed by more than the limits of %d bytes and %d entries allow", a.limits.Total, a.limits.Entries), ErrTooLarge)
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
		return a.fault(entry, "is cut off", fmt.Errorf("%w: %w", ErrInvalidArchive, io.ErrUnexpectedEOF))
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt),
		errors.Is(err, tar.ErrHeader), errors.Is(err, tar.ErrFieldTooLong):
		return a.fault(entry, "is damaged: "+err.Error(), fmt.Errorf("%w: %w", ErrInvalidArchive, err))
	}
	return a.fault(entry, "cannot be read: "+err.Error(), err)
}

func kindOf(hdr *tar.Header) string {
	switch hdr.Typeflag {
	case tar.TypeSymlink:
		return "a symbolic link to " + quoted(hdr.Linkname)
	case tar.TypeLink:
		return "a hard link to " + quoted(hdr.Linkname)
	case tar.TypeChar, tar.TypeBlock:
		return "a device"
	case tar.TypeFifo:
		return "a named pipe"
	}
	return "an entry of type " + strings.Trim(fmt.Sprintf("%q", hdr.Typeflag), "'")
}
