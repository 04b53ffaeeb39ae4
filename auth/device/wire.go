package device

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/redact"
)

const (
	// requestTimeout is for one request with its answer.
	requestTimeout = 30 * time.Second
	// maxAnswer bounds an answer: three tokens that are signed statements about
	// somebody in many groups reach some 30 KiB.
	maxAnswer = 128 << 10
	// maxFailures ends a wait for a provider that is down.
	maxFailures = 5

	minInterval, defaultInterval, maxInterval = 1, 5, 60 // seconds
)

// reader turns an answer into what x/oauth2 shall see of it.
type reader interface {
	// read judges an answer, of which the body is read, or the error of a
	// request without one.
	read(req *http.Request, resp *http.Response, body []byte, err error) ([]byte, error)
}

// wire carries the requests of one login, and stands between the provider and
// x/oauth2, which follows redirects, does not end its first request with the
// context, repeats bodies in errors, panics on a negative interval and on an
// answer that is null, and ends a login when one request fails.
type wire struct {
	ctx  context.Context
	next http.RoundTripper
	reader
}

// through is a context by which x/oauth2 finds its way through a wire.
func (f *Flow) through(ctx context.Context, client *http.Client, r reader) context.Context {
	c := *client
	c.Transport = &wire{ctx, client.Transport, r}
	return context.WithValue(ctx, oauth2.HTTPClient, &c)
}

// client is the caller's, or one of this login alone.
func (f *Flow) client() (c *http.Client, done func()) {
	done = func() {}
	c = new(http.Client)
	if f.HTTPClient != nil {
		*c = *f.HTTPClient
	}
	if f.HTTPClient == nil || c.Transport == nil {
		own := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: requestTimeout}
		c.Transport, done = own, own.CloseIdleConnections
	}
	return c, done
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), requestTimeout)
	defer cancel()
	defer context.AfterFunc(w.ctx, cancel)()
	req = req.Clone(ctx)
	req.Header.Set("Accept", "application/json") // GitHub answers with a form else
	resp, err := w.next.RoundTrip(req)
	var body []byte
	if err == nil {
		body, err = limit.ReadAll(resp.Body, maxAnswer)
		resp.Body.Close()
	}
	if w.ctx.Err() != nil {
		return nil, w.ctx.Err()
	}
	if err == nil && resp.StatusCode/100 == 3 {
		e := newError(req.URL.String(), "it redirects, which is not followed: the request holds a secret")
		e.StatusCode, e.Hint = resp.StatusCode, "give the endpoints as they are after the redirect"
		return nil, e
	}
	body, err = w.read(req, resp, body, err)
	if err != nil {
		return nil, err
	}
	if resp == nil {
		resp = &http.Response{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: req}
	}
	if body == nil { // see polls
		resp.StatusCode, resp.Status = http.StatusBadRequest, "400 Bad Request"
		resp.Header.Set("Content-Type", "application/json")
		body = []byte(`{"error":"slow_down"}`)
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

// unreachable is the error of a request without a whole answer.
func unreachable(req *http.Request, err error) *Error {
	if errors.Is(err, limit.ErrExceeded) {
		return newError(req.URL.String(), "its answer is longer than "+strconv.Itoa(maxAnswer>>10)+" KiB")
	}
	e := newError(req.URL.String(), "it cannot be reached")
	e.Err = redact.Error(&url.Error{Op: "Post", URL: req.URL.String(), Err: err})
	return e
}

// codes reads the answer of the device endpoint.
type codes struct{ maxWait time.Duration }

func (c *codes) read(req *http.Request, resp *http.Response, body []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, unreachable(req, err)
	}
	if resp.StatusCode/100 != 2 {
		return body, nil
	}
	resp.Header.Set("Content-Type", "application/json")
	var a authorization
	if json.Unmarshal(body, &a) != nil {
		return nil, newError(req.URL.String(), "its answer is not that of a device flow")
	}
	if a.URI == "" {
		a.URI = a.URL
	}
	switch {
	case a.DeviceCode == "" || a.UserCode == "":
		return nil, newError(req.URL.String(), "its answer has no codes")
	case len(a.DeviceCode) > maxDeviceCode || !isPrintable(a.DeviceCode), len(a.UserCode) > maxUserCode || !isPrintable(a.UserCode):
		return nil, newError(req.URL.String(), "its codes are too long, or not printable")
	}
	if err := checkURI(a.URI, req.URL); err != nil {
		return nil, newError(req.URL.String(), err.Error())
	}
	if a.CompleteURI != "" {
		if err := checkURI(a.CompleteURI, req.URL); err != nil {
			return nil, newError(req.URL.String(), err.Error())
		}
	}
	// Written anew: encoding/json takes keys in any case, and the last counts.
	return json.Marshal(map[string]any{
		"device_code": a.DeviceCode, "user_code": a.UserCode, "verification_uri": a.URI, "verification_uri_complete": a.CompleteURI,
		"expires_in": a.life(c.maxWait), "interval": a.interval(),
	})
}

// authorization is the answer of RFC 8628, section 3.2.
type authorization struct {
	DeviceCode  string          `json:"device_code"`
	UserCode    string          `json:"user_code"`
	URI         string          `json:"verification_uri"`
	URL         string          `json:"verification_url"` // an older draft's, and Google's
	CompleteURI string          `json:"verification_uri_complete"`
	ExpiresIn   json.RawMessage `json:"expires_in"` // seconds; some send a string
	Interval    json.RawMessage `json:"interval"`
}

func (a *authorization) life(maxWait time.Duration) int64 {
	limit := max(maxWait.Seconds(), 1)
	n, ok := number(a.ExpiresIn)
	if !ok || n <= 0 {
		n = limit
	}
	return int64(max(min(n, limit), 1))
}

func (a *authorization) interval() int64 {
	n, ok := number(a.Interval)
	if !ok {
		return defaultInterval
	}
	return int64(max(min(n, maxInterval), minInterval))
}

func number(raw json.RawMessage) (float64, bool) {
	n, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if errors.Is(err, strconv.ErrRange) {
		err = nil // infinite, of its sign
	}
	return n, err == nil && n == n
}

// polls reads the answers of the token endpoint.
type polls struct{ failures int }

// read answers nothing where the next request may fare better: it shall come
// later then (RFC 8628, section 3.5).
func (p *polls) read(req *http.Request, resp *http.Response, body []byte, err error) ([]byte, error) {
	failed := err != nil || resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests
	switch {
	case !failed:
		p.failures = 0
		if resp.StatusCode/100 == 2 && len(body) == 0 {
			return nil, newError(req.URL.String(), "its answer has no token")
		}
		if json.Valid(body) { // whatever it is called: text/plain would be read as a form
			resp.Header.Set("Content-Type", "application/json")
		}
		return append([]byte{}, body...), nil
	case errors.Is(err, limit.ErrExceeded):
		return nil, unreachable(req, err)
	}
	if p.failures++; p.failures < maxFailures {
		return nil, nil
	}
	if err != nil {
		return nil, unreachable(req, err)
	}
	return nil, refusal(req.URL.String(), resp.StatusCode, "")
}
