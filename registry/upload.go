package registry

import (
	"errors"
	"io"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/verify"
)

// upload is the body of a request over a reader that belongs to the caller: it
// never closes it, and where the reader can seek, it can be sent again, as
// after an expired token.
type upload struct {
	content *uploadContent
	turn    int
}

type uploadContent struct {
	desc   ocispec.Descriptor
	seeker io.Seeker // nil: it can be read once
	start  int64

	mu   sync.Mutex
	r    io.Reader
	turn int   // the only upload that may still read
	n    int64 // what it has read
	err  error // the reader's own, which is not the registry's fault
}

var errSuperseded = errors.New("the upload has been started again")

// newUpload reads from where content stands now.
func newUpload(content io.Reader, desc ocispec.Descriptor) *upload {
	if content == nil {
		content = errorReader{errors.New("no content")}
	}
	c := &uploadContent{r: content, desc: desc}
	if s, ok := content.(io.Seeker); ok {
		if start, err := s.Seek(0, io.SeekCurrent); err == nil {
			c.seeker, c.start = s, start
		}
	}
	return &upload{content: c}
}

func (u *upload) rewindable() bool { return u.content.seeker != nil }

// rewind is http.Request.GetBody: a transport may still be reading the body of
// an answered request, and must not move the reader under the next one.
func (u *upload) rewind() (io.ReadCloser, error) {
	c := u.content
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.seeker.Seek(c.start, io.SeekStart); err != nil {
		return nil, err
	}
	c.turn++
	c.n, c.err = 0, nil
	return &upload{content: c, turn: c.turn}, nil
}

// Read implements io.Reader. A reader that gives less or more than was
// announced is found out here, where it can be named.
func (u *upload) Read(p []byte) (int, error) {
	c := u.content
	c.mu.Lock()
	defer c.mu.Unlock()
	if u.turn != c.turn {
		return 0, errSuperseded
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.n > c.desc.Size || (err == io.EOF && c.n < c.desc.Size) {
		err = &verify.Error{Want: c.desc.Digest, WantSize: c.desc.Size, GotSize: c.n}
	}
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// Close leaves the reader to the caller.
func (u *upload) Close() error { return nil }

// blame returns the reader's own error in place of what the transport made of
// it.
func (u *upload) blame(err error) error {
	c := u.content
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && c.err != nil {
		return c.err
	}
	return err
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }
