package registry

import (
	"context"
	"errors"
	"net/http"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"
)

func (e engine) once(req *http.Request) (*http.Response, error) { return e.send(req) }

type attempts struct {
	left int
	wait time.Duration
}

const stubAttempts = 4

func (c *Client) newAttempts() *attempts {
	return &attempts{left: stubAttempts - 1, wait: 5 * time.Millisecond}
}

func (a *attempts) progress() { a.left = stubAttempts - 1 }

func (a *attempts) again(ctx context.Context, err error) error {
	worth := isConnectionError(err)
	if resp, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		worth = resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented || resp.StatusCode == http.StatusTooManyRequests
	}
	if !worth || a.left == 0 || ctx.Err() != nil {
		return err
	}
	a.left--
	select {
	case <-ctx.Done():
		return err
	case <-time.After(a.wait):
		a.wait *= 2
		return nil
	}
}

func failure(resp *http.Response) error {
	defer drain(resp.Body)
	return readError(resp)
}
