package registry

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/verify"
)

// aheadSize is how much of a body is read before its request is made. A source
// that is a download from the same host needs a place among that host's
// requests itself, and must have it before the upload waits for its own. It is
// what io.Copy reads at a time.
const aheadSize = 32 << 10

// upload is the body of a request: a part of content that belongs to the
// caller. It never closes the reader, and where the reader can seek, the
// request can be sent again, as after an expired token.
type upload struct {
	content  *uploadContent
	turn     int64
	off, end int64 // the part
}

// uploadContent is what one Push sends, in one request or in several.
type uploadContent struct {
	desc   ocispec.Descriptor
	seeker io.Seeker // nil: it can be read once
	start  int64
	turn   atomic.Int64 // that of the only body that may still read

	mu      sync.Mutex
	r       io.Reader
	at      int64  // what has been read of r
	ahead   []byte // what has been read of r and not yet of a body, or may be read again
	aheadAt int64  // where that begins
	used    int    // what of it the body has read
	err     error  // the reader's own, which is not the registry's fault
}

var (
	errSuperseded = errors.New("the upload has been started again")
	errReadOnce   = errors.New("content that can be read only once has been read")
)

// newUploadContent reads from where the reader stands now.
func newUploadContent(r io.Reader, desc ocispec.Descriptor) *uploadContent {
	if r == nil {
		r = errorReader{errors.New("no content")}
	}
	c := &uploadContent{r: r, desc: desc}
	if s, ok := r.(io.Seeker); ok {
		if start, err := s.Seek(0, io.SeekCurrent); err == nil {
			c.seeker, c.start = s, start
		}
	}
	return c
}

// open makes a body of the bytes from off to end, and has its first ones in
// hand when it returns. No earlier body can read from then on: a transport may
// still be at one whose request has been answered.
func (c *uploadContent) open(off, end int64) (*upload, error) {
	turn := c.turn.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.moveTo(off); err != nil {
		return nil, err
	}
	c.used = 0
	if want := min(end-off, aheadSize); int64(len(c.ahead)) < want || off == c.desc.Size {
		if err := c.fill(want); err != nil {
			return nil, err
		}
	}
	return &upload{content: c, turn: turn, off: off, end: end}, nil
}

// opens tells whether a body that begins at off can still be made.
func (c *uploadContent) opens(off int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seeker != nil || off == c.at || c.inHand(off)
}

// inHand tells whether nothing has been read of r but what is in c.ahead, and
// that begins at off.
func (c *uploadContent) inHand(off int64) bool {
	return off == c.aheadAt && c.at == c.aheadAt+int64(len(c.ahead))
}

func (c *uploadContent) moveTo(off int64) error {
	switch {
	case c.inHand(off):
		return nil
	case off == c.at:
	case c.seeker == nil:
		return errReadOnce
	default:
		if err := c.seek(off); err != nil {
			c.err = err
			return err
		}
	}
	c.ahead, c.aheadAt = c.ahead[:0], off
	return nil
}

// seek goes to off, by way of the start where that is the only way: a source
// that is opened anew each time knows no other.
func (c *uploadContent) seek(off int64) error {
	if _, err := c.seeker.Seek(c.start+off, io.SeekStart); err == nil || off == 0 {
		c.at = off
		return err
	}
	if _, err := c.seeker.Seek(c.start, io.SeekStart); err != nil {
		return err
	}
	c.at = 0
	_, err := io.CopyN(io.Discard, readerFunc(c.take), off)
	return err
}

// fill reads ahead until n bytes are in hand.
func (c *uploadContent) fill(n int64) error {
	have := int64(len(c.ahead))
	if int64(cap(c.ahead)) < n {
		c.ahead = append(make([]byte, 0, n), c.ahead...)
	}
	for have < n || c.at == c.desc.Size {
		got, err := c.take(c.ahead[have:n])
		have += int64(got)
		c.ahead = c.ahead[:have]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take reads from r. A reader that gives less or more than was announced, or
// that finds itself wrong at its end, is found out before its last bytes are
// handed out: so no registry is given content that is not meant.
func (c *uploadContent) take(p []byte) (int, error) {
	p = p[:min(int64(len(p)), c.desc.Size-c.at)]
	var n int
	var err error
	if len(p) > 0 {
		n, err = c.r.Read(p)
		c.at += int64(n)
	}
	if c.at == c.desc.Size && err == nil {
		err = c.probe()
	}
	if err == io.EOF && c.at < c.desc.Size {
		err = &verify.Error{Want: c.desc.Digest, WantSize: c.desc.Size, GotSize: c.at}
	}
	if err != nil && err != io.EOF {
		c.err = err
		n = 0
	}
	return n, err
}

// maxEmptyReads is what bufio allows a reader that gives neither bytes nor an
// error.
const maxEmptyReads = 100

// probe expects the end.
func (c *uploadContent) probe() error {
	var one [1]byte
	for range maxEmptyReads {
		n, err := c.r.Read(one[:])
		if n > 0 {
			return &verify.Error{Want: c.desc.Digest, WantSize: c.desc.Size, GotSize: c.desc.Size + 1}
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// finish gives the reader back to its owner: a transport that is still at a
// body reads no more of it. A read that is under way is waited for, but not
// where it may wait for ever, as one of a pipe.
func (c *uploadContent) finish() {
	c.turn.Add(1)
	if c.seeker != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
	}
}

// failed tells whether the reader has.
func (c *uploadContent) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

// blame returns the reader's own error in place of what the transport made of
// it.
func (c *uploadContent) blame(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && c.err != nil {
		return c.err
	}
	return err
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	c := u.content
	c.mu.Lock()
	defer c.mu.Unlock()
	if u.turn != c.turn.Load() {
		return 0, errSuperseded
	}
	if c.used < len(c.ahead) && c.aheadAt+int64(c.used) < u.end {
		left := u.end - c.aheadAt - int64(c.used)
		n := copy(p, c.ahead[c.used:min(int64(len(c.ahead)), int64(c.used)+left)])
		c.used += n
		return n, nil
	}
	if c.at >= u.end {
		return 0, io.EOF
	}
	return c.take(p[:min(int64(len(p)), u.end-c.at)])
}

// Close leaves the reader to the caller.
func (u *upload) Close() error { return nil }

// rewindable tells whether the part can be sent again whatever was read of it.
func (u *upload) rewindable() bool {
	return u.content.seeker != nil || u.end-u.off <= aheadSize
}

// rewind is http.Request.GetBody.
func (u *upload) rewind() (io.ReadCloser, error) {
	again, err := u.content.open(u.off, u.end)
	if err != nil {
		return nil, fmt.Errorf("send the content again: %w", err)
	}
	return again, nil
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
