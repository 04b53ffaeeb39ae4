package registry

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// upload is the body of a request over a reader that belongs to the caller: it
// never closes it, and where the reader can seek, it can be sent again, as
// after an expired token.
type upload struct {
	content *uploadContent
	turn    int
}

type uploadContent struct {
	mu     sync.Mutex
	r      io.Reader
	seeker io.Seeker
	start  int64
	turn   int // the only upload that may still read
}

var errSuperseded = errors.New("the upload has been started again")

// newUpload reads from where content stands now.
func newUpload(content io.Reader) io.Reader {
	if content == nil {
		return http.NoBody
	}
	c := &uploadContent{r: content}
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
	return &upload{content: c, turn: c.turn}, nil
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	c := u.content
	c.mu.Lock()
	defer c.mu.Unlock()
	if u.turn != c.turn {
		return 0, errSuperseded
	}
	return c.r.Read(p)
}

// Close leaves the reader to the caller.
func (u *upload) Close() error { return nil }
