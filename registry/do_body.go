package registry

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// goOn gives the answer to a GET a body that is taken up when it breaks off. A
// validator shows that what comes then is of the same version (RFC 9110 section
// 13.1.5, If-Range).
func (c *Client) goOn(req *http.Request, hint AuthHint, resp *http.Response, attempts *attempts) {
	body := stallGuard(resp.Body)
	resp.Body = body
	validator := resp.Header.Get("ETag")
	if validator == "" || strings.HasPrefix(validator, "W/") {
		validator = resp.Header.Get("Last-Modified")
	}
	if req.Method != http.MethodGet || resp.StatusCode != http.StatusOK || req.Header.Get("Range") != "" || validator == "" {
		return
	}
	resp.Body = &answerBody{client: c, req: req, hint: hint, validator: validator, attempts: attempts, ReadCloser: body}
}

// answerBody is a body of Do. Unlike a blob's, nothing proves it.
type answerBody struct {
	client    *Client
	req       *http.Request
	hint      AuthHint
	validator string
	attempts  *attempts

	io.ReadCloser
	offset, brokeAt int64
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.offset += int64(n); b.offset-b.brokeAt >= minProgress {
		b.attempts.progress()
	}
	if err == nil || err == io.EOF {
		return n, err
	}
	err = fmt.Errorf("%w after %d bytes: %w", errBroken, b.offset, err)
	for {
		if err := b.attempts.again(b.req.Context(), err); err != nil {
			return n, err
		}
		next, again := b.rest()
		if again == nil {
			b.ReadCloser.Close()
			b.ReadCloser, b.brokeAt = next, b.offset
			return n, nil
		}
		err = again
	}
}

// rest asks for what is missing.
func (b *answerBody) rest() (io.ReadCloser, error) {
	req := b.req.Clone(resumed(b.attempts.context(b.req.Context())))
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", b.offset))
	req.Header.Set("If-Range", b.validator)
	resp, err := b.client.doOnce(req, b.hint)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusPartialContent || !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", b.offset)) {
		resp.Body.Close()
		return nil, fmt.Errorf("%w: it broke off after %d bytes, and what there is now is another", ErrUnavailable, b.offset)
	}
	return stallGuard(resp.Body), nil
}
