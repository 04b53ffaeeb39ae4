package acr

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
	"slices"
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
	form   url.Values // POSTed; nil: GET
	retry  []int      // statuses that pass, besides 429 and 5xx
}

// do asks until there is an answer that is final. An error is an *auth.Error,
// or the context's.
func (c call) do(ctx context.Context, over http.RoundTripper) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for try := 1; ; try++ {
		body, err := c.once(limited, over)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		refusal, _ := errors.AsType[*auth.Error](err)
		if refusal == nil || !c.passes(refusal.StatusCode) || try == maxTries || refusal.RetryAfter > maxPause {
			return body, err
		}
		pause := time.NewTimer(max(refusal.RetryAfter, time.Duration(try)*100*time.Millisecond))
		select {
		case <-pause.C:
		case <-limited.Done():
			pause.Stop()
		}
	}
}

func (c call) passes(status int) bool {
	return status == http.StatusTooManyRequests || status/100 == 5 || slices.Contains(c.retry, status)
}

func (c call) once(ctx context.Context, over http.RoundTripper) ([]byte, error) {
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
	return body, nil
}

func (c call) send(ctx context.Context, over http.RoundTripper) (*http.Response, error) {
	method, content := http.MethodGet, io.Reader(nil)
	if c.form != nil {
		method, content = http.MethodPost, strings.NewReader(c.form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url, content)
	if err != nil {
		return nil, err
	}
	if c.form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
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

// codesOf reads the codes of a refusal: those of OAuth 2 (RFC 6749, section
// 5.2), those of Entra ID as AADSTS numbers, those of a registry.
func codesOf(body []byte) []string {
	var answer struct {
		Error  any   `json:"error"`
		Codes  []int `json:"error_codes"`
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	// One field of another type does not take the others away.
	_ = json.Unmarshal(body, &answer)
	var codes []string
	add := func(s string) {
		if code.MatchString(s) && len(codes) < 4 && !slices.Contains(codes, s) {
			codes = append(codes, s)
		}
	}
	if s, ok := answer.Error.(string); ok {
		add(s)
	}
	for _, e := range answer.Errors {
		add(e.Code)
	}
	for _, n := range answer.Codes[:min(len(answer.Codes), 4)] {
		codes = append(codes, "AADSTS"+strconv.Itoa(n))
	}
	return codes
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
