// Package limit bounds what is read from a peer. More than the limit is an
// error, never a silent cut.
package limit

import (
	"errors"
	"fmt"
	"io"
)

// ErrExceeded is what a read beyond its limit ends with.
var ErrExceeded = errors.New("more than the limit")

// Reader reads at most a number of bytes and fails when there are more.
type Reader struct {
	r   io.Reader
	max int64
	n   int64
}

// NewReader bounds r to max bytes.
func NewReader(r io.Reader, max int64) *Reader { return &Reader{r: r, max: max} }

// Read implements io.Reader. Its error matches ErrExceeded once r has given
// more than the limit.
func (l *Reader) Read(p []byte) (int, error) {
	left := l.max - l.n
	if left < 0 {
		return 0, l.err()
	}
	if int64(len(p)) > left+1 {
		p = p[:left+1] // one byte more tells the end from too much
	}
	n, err := l.r.Read(p)
	l.n += int64(n)
	if l.n > l.max {
		return n - 1, l.err()
	}
	return n, err
}

// Count tells how many bytes were read from beneath.
func (l *Reader) Count() int64 { return l.n }

func (l *Reader) err() error { return fmt.Errorf("%w of %d bytes", ErrExceeded, l.max) }

// ReadAll reads r to its end; its error matches ErrExceeded when that is
// beyond max bytes.
func ReadAll(r io.Reader, max int64) ([]byte, error) {
	return io.ReadAll(NewReader(r, max))
}
