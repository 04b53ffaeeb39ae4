package limit

import (
	"context"
	"io"
)

// WithContext reads r until ctx ends: a long copy then ends with the context's
// error at its next read. It does not interrupt a read that waits.
func WithContext(ctx context.Context, r io.Reader) io.Reader { return &contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
