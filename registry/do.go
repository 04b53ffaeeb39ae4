package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/redact"
)

// maxErrorBody is what is read of an error's body: registries send some
// hundred bytes, and a page of HTML has no codes to find.
const maxErrorBody = 8 << 10

// AuthHint says more of whose credential a request of [Client.Do] is signed
// with. The credential is always that of the request's host.
type AuthHint struct {
	// Path narrows the credential to one that is kept for this part of the
	// host, as in "team/charts", where there is one. What cannot be a
	// repository's path counts as empty.
	Path string
	// Preemptive sends a user name and password that are known for the host
	// with the first request, unasked: chart repositories may answer 404, or
	// list less, without them. Over plain HTTP it does so only where HostConfig
	// lets credentials travel.
	Preemptive bool
}

// Do makes a request outside of the distribution API, to a chart repository or
// to a registry's search, in the way that this client makes all others: with
// the host's TLS, proxy and credential, which it answers basic and bearer
// challenges with; with its user agent, which replaces that of req; and with
// redirects, along which no header leaves the origin but those with which HTTP
// speaks of content (Accept, Range, If-…), and none leads from HTTPS to HTTP,
// nor one of a request that is no GET or HEAD to another host. Host is asked
// for under the name in the URL, and the URL's scheme is kept: http is plain
// HTTP because the caller wrote it, and credentials are sent over it only as
// HostConfig.PlaintextCredentials says, or to a loopback host.
//
// req is not changed; its Authorization header is replaced. ctx is the
// request's, whatever req has. A GET or a HEAD that fails before its answer
// begins is tried again, see Retry; a body that breaks off is taken up where the
// server tells versions of it apart, by an ETag or a time of modification. To
// be sent again, also after a challenge, a request's body must have a GetBody.
//
// The response has a status below 400, and may be 304; its body is the caller's
// to bound and to close. Everything else is an *Error, whose URL is set and
// whose Kind is ErrUnauthorized, ErrDenied, ErrNotFound, ErrRateLimited,
// ErrUnsupported, ErrUnavailable (a status of 500 and above, and a host that
// does not answer) or nil, with StatusCode and Codes where there are any; or
// matches the context's error. A URL of another scheme than http and https,
// without a host, or with a user's name in it is ErrInvalidReference.
func (c *Client) Do(ctx context.Context, req *http.Request, hint AuthHint) (*http.Response, error) {
	op := strings.ToLower(req.Method)
	if op == "" {
		op = "get"
	}
	fail := func(err error) (*http.Response, error) {
		if req.Body != nil {
			req.Body.Close() // again, maybe: a body allows it
		}
		return nil, withURL(WrapError(op, Reference{}, err), req.URL)
	}
	if err := checkURL(req.URL); err != nil {
		return fail(err)
	}
	c.hosts.named(req.URL.Host)
	req = req.Clone(ctx)
	req.Header.Set("User-Agent", c.userAgent)
	req.Header.Del("Authorization")
	for attempts := c.newAttempts(); ; {
		resp, err := c.doOnce(attempts.mark(req), hint)
		if err == nil {
			c.goOn(req, hint, resp, attempts)
			return resp, nil
		}
		if !isRead(req) || !replayable(req) {
			return fail(err)
		}
		if err := attempts.again(ctx, err); err != nil {
			return fail(err)
		}
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return fail(err)
			}
		}
	}
}

func (c *Client) doOnce(req *http.Request, hint AuthHint) (*http.Response, error) {
	resp, err := c.signer.Do(req, c.doHint(req.URL, hint), c.exchange)
	switch {
	case err != nil:
		return nil, c.orCertificate(req.URL.Host, err)
	case resp.StatusCode < 400:
		return resp, nil
	case resp.StatusCode == http.StatusBadRequest && resp.Request.URL.Scheme == "http" && speaksTLS(resp):
		drain(resp.Body)
		return nil, errTLSExpected
	}
	return nil, failure(resp)
}

func checkURL(u *url.URL) error {
	problem := func(text string) error {
		return &Error{Kind: ErrInvalidReference, Err: errors.New(text)}
	}
	switch {
	case u == nil:
		return problem("no URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return problem("neither an https:// nor an http:// URL")
	case u.Host == "":
		return problem("no host in the URL")
	case u.User != nil:
		return problem("user name and password stand in the URL: log in to the host, and leave them out")
	}
	return nil
}

// doHint names the part of the host only where that is a name: it may end in a
// helper's input.
func (c *Client) doHint(u *url.URL, hint AuthHint) auth.Hint {
	host := strings.ToLower(u.Host)
	resource, err := auth.ParseResource(host + "/" + strings.Trim(hint.Path, "/"))
	if err != nil {
		resource = auth.Resource{Host: host}
	}
	return auth.Hint{Resource: resource, Preemptive: hint.Preemptive}
}

// readError reads what a server says of its refusal.
func readError(resp *http.Response) *errcode.ErrorResponse {
	timer := time.AfterFunc(drainTimeout, func() { resp.Body.Close() })
	defer timer.Stop()
	answer := struct{ Errors errcode.Errors }{}
	if body, err := limit.ReadAll(resp.Body, maxErrorBody); err == nil {
		_ = json.Unmarshal(body, &answer) // most servers have their own words, or none
	}
	return &errcode.ErrorResponse{Method: resp.Request.Method, URL: resp.Request.URL, StatusCode: resp.StatusCode, Errors: answer.Errors}
}

// withURL says what a request was about.
func withURL(err error, u *url.URL) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || u == nil {
		return err
	}
	told := *e
	told.URL = redact.URL(u)
	if ue, ok := errors.AsType[*url.Error](told.Err); ok && ue == told.Err {
		told.Err = ue.Err // it would name the URL again
	}
	if told.Op == "" {
		told.Op = "request"
	}
	if told.Kind == nil && told.StatusCode >= 400 && told.Err == nil {
		told.Err = fmt.Errorf("the server answers %s", http.StatusText(told.StatusCode))
	}
	return &told
}
