package cache

import (
	"errors"
	"io"
	"io/fs"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Content is verified content in an open file. Removing or replacing the file
// in the cache does not touch it, and nobody but its user, or the system's
// administrator, can change it. The caller closes it.
//
// ReadAt may be called concurrently; Read and Seek share one position.
type Content struct {
	file   contentFile
	view   *io.SectionReader
	desc   ocispec.Descriptor
	origin Origin
}

// contentFile is an *os.File, or one that vanishes when closed.
type contentFile interface {
	io.ReaderAt
	io.Closer
}

func newContent(f contentFile, desc ocispec.Descriptor, origin Origin) *Content {
	return &Content{file: f, view: io.NewSectionReader(f, 0, desc.Size), desc: desc, origin: origin}
}

// Read implements io.Reader. A file that became shorter since it was verified
// ends with io.ErrUnexpectedEOF.
func (c *Content) Read(p []byte) (int, error) {
	n, err := c.view.Read(p)
	if err == io.EOF {
		if at, _ := c.view.Seek(0, io.SeekCurrent); at < c.desc.Size {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// ReadAt implements io.ReaderAt.
func (c *Content) ReadAt(p []byte, off int64) (int, error) { return c.view.ReadAt(p, off) }

// Seek implements io.Seeker.
func (c *Content) Seek(offset int64, whence int) (int64, error) { return c.view.Seek(offset, whence) }

// Close closes the file. Content outside the cache is gone then. What the disk
// says when it is closed is no error: all that was read was right, and the next
// reader verifies the file anew.
func (c *Content) Close() error {
	if err := c.file.Close(); errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}

// Size returns the number of bytes.
func (c *Content) Size() int64 { return c.desc.Size }

// Descriptor returns what was asked for.
func (c *Content) Descriptor() ocispec.Descriptor { return c.desc }

// Origin tells whether the content was in the cache or had to be fetched.
func (c *Content) Origin() Origin { return c.origin }
