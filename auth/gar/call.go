package gar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

const (
	// callTimeout bounds one question with all its repetitions.
	callTimeout = 15 * time.Second
	// maxAnswer bounds an answer: a token with many group claims reaches some
	// 10 KiB.
	maxAnswer = 128 << 10
	// maxErrorAnswer bounds what is read of a refusal, for its codes.
	maxErrorAnswer = 8 << 10
	// maxTries and maxPause bound the repetitions after a throttled answer:
	// who has to wait longer is told so.
	maxTries = 3
	maxPause = 5 * time.Second
)

var errTooLong = fmt.Errorf("its answer has more than %d bytes", maxAnswer)

// call is one question to an endpoint. What it asks with stays out of its
// errors, and so does what the endpoint says, but for its codes.
type call struct {
	who    string // the endpoint, for errors
	url    string
	header map[string]string
	form   url.Values // POSTed
	json   any        // POSTed; neither: GET
}

type answer struct {
	body   []byte
	header http.Header
}

// do asks until there is an answer that is final. An error is an *auth.Error,
// or the context's.
func (c call) do(ctx context.Context, over http.RoundTripper) (*answer, error) {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for try := 1; ; try++ {
		a, err := c.once(limited, over)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		refusal, _ := errors.AsType[*auth.Error](err)
		if refusal == nil || !passes(refusal.StatusCode) || try == maxTries || refusal.RetryAfter > maxPause {
			return a, err
		}
		pause := time.NewTimer(max(refusal.RetryAfter, time.Duration(try)*100*time.Millisecond))
		select {
		case <-pause.C:
		case <-limited.Done():
			pause.Stop()
		}
	}
}

func passes(status int) bool { return status == http.StatusTooManyRequests || status/100 == 5 }

func (c call) once(ctx context.Context, over http.RoundTripper) (*answer, error) {
	resp, err := c.send(ctx, over)
	if err != nil {
		return nil, c.failed("cannot be reached", withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, c.refused(resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errTooLong
	}
	if err != nil {
		return nil, c.failed("breaks off its answer", err)
	}
	return &answer{body, resp.Header}, nil
}

func (c call) send(ctx context.Context, over http.RoundTripper) (*http.Response, error) {
	method, content, kind := http.MethodGet, "", ""
	if c.form != nil {
		method, content, kind = http.MethodPost, c.form.Encode(), "application/x-www-form-urlencoded"
	}
	if c.json != nil {
		text, err := json.Marshal(c.json)
		if err != nil {
			return nil, err
		}
		method, content, kind = http.MethodPost, string(text), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url, strings.NewReader(content))
	if err != nil {
		return nil, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	// A redirect would carry what the request proves to somebody else.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return (&http.Client{Transport: over, CheckRedirect: stay}).Do(req)
}

// withoutURL takes the address out of an error of net/http: it is in the
// message already, without its query.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

func (c call) failed(what string, cause error) *auth.Error {
	e := &auth.Error{Stage: auth.StageToken, Message: c.who + " " + what}
	if cause != nil {
		e.Causes = []error{cause}
	}
	return e
}

func (c call) refused(resp *http.Response) *auth.Error {
	e := c.failed("answered "+strings.TrimSpace(strconv.Itoa(resp.StatusCode)+" "+strings.ToLower(http.StatusText(resp.StatusCode))), nil)
	e.StatusCode = resp.StatusCode
	switch {
	case resp.StatusCode/100 == 3:
		e.Message += ", a redirect that is not followed"
	case resp.StatusCode == http.StatusUnauthorized:
		e.Err = auth.ErrUnauthorized
	case resp.StatusCode == http.StatusForbidden:
		e.Err = auth.ErrDenied
	}
	if seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer))
	e.Codes = codesOf(body)
	return e
}

// code is what a server's code looks like. Anything else may be a repetition
// of what it was asked with.
var code = regexp.MustCompile(`^[A-Za-z][A-Za-z_]{1,39}$`)

// codesOf reads the code of a refusal: that of OAuth 2 (RFC 6749, section 5.2),
// or the status of a Google API.
func codesOf(body []byte) []string {
	var answer struct {
		Error json.RawMessage `json:"error"`
	}
	var word string
	var status struct {
		Status string `json:"status"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil
	}
	if json.Unmarshal(answer.Error, &word) != nil && json.Unmarshal(answer.Error, &status) == nil {
		word = status.Status
	}
	if !code.MatchString(word) {
		return nil
	}
	return []string{word}
}

// newTransport is for endpoints on the Internet.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     30 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
	}
}

// newMetadataTransport is for endpoints on the machine, which no proxy knows.
func newMetadataTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     30 * time.Second,
	}
}
