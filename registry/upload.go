package registry

import (
	"fmt"
	"io"
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
