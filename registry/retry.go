package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/verify"
)

// Retry bounds how failed requests are made again. The zero value is the
// default. There is one layer of it, around whole operations, bodies included:
//
//	what failed                                               tried again
//	a connection: reset, broken off                           yes
//	nobody listens; nobody answers within the time for it     3 times
//	a name that does not resolve; a resolver that fails       no; yes
//	TLS: an untrusted certificate, an alert of the server     no
//	the body of a blob ends early or stands still for 1 min   from there on, with Range
//	the body of a manifest or a list ends early               yes
//	wrong digest of a manifest; a list that is no JSON        once: what stands between may have mangled it
//	wrong digest of a blob                                    no: it has been handed out. Who keeps it whole asks once more
//	408, 425, 429, 500, 502, 503, 504, 507 to 599             yes
//	other statuses; a web page in the place of an answer      no
//	a token server that fails in one of these ways            likewise
//	an upload whose content can be read again (io.Seeker)     yes, in a new session
//	an upload whose content cannot                            while no more than its first 32 KiB are read
//	limits exceeded; a context that has ended                 no
//
// Pauses grow from one attempt to the next. Where a server says Retry-After, in
// seconds or as a date and with any status that is tried again, that is how long
// nobody asks it, all operations of all clients that share its configuration
// included.
type Retry struct {
	// Attempts is how often one request is made at most, without any progress
	// between: a download that has gone on since the last failure starts to
	// count anew. Zero: 10. 1: nothing is tried again.
	Attempts int
	// Wait is how long the first pause is; each next one is twice as long, up
	// to 3 seconds, and differs by chance. Zero: 100 ms.
	Wait time.Duration
	// MaxWait is the longest that a server may ask to wait (Retry-After). When
	// it asks for more, or for more than is left to the context's deadline, the
	// operation ends at once with ErrRateLimited or ErrUnavailable and says how
	// long. Zero: 2 minutes.
	MaxWait time.Duration
}

// maxPause is where the pauses between attempts stop to grow.
const maxPause = 3 * time.Second

// maxSilent bounds attempts where nobody listens or nobody answers: a wrong
// port should not keep anyone waiting, a registry that is started anew is back
// in a second or in many, and one that hangs costs minutes each time.
const maxSilent = 3

func (r Retry) withDefaults() Retry {
	r.Attempts = cmp.Or(r.Attempts, 10)
	r.Wait = cmp.Or(r.Wait, 100*time.Millisecond)
	r.MaxWait = cmp.Or(r.MaxWait, 2*time.Minute)
	return r
}

func (r Retry) validate() error {
	if r.Attempts < 0 || r.Wait < 0 || r.MaxWait < 0 {
		return errors.New("retries: attempts and durations are not negative")
	}
	return nil
}

// attempts counts the attempts of one operation. Not for concurrent use.
type attempts struct {
	Retry
	about   Reference // for who watches; may be zero
	n       int       // failures since the last progress
	made    int       // attempts so far
	mangled bool
}

func (c *Client) newAttempts() *attempts { return &attempts{Retry: c.retry, made: 1} }

// progress starts the count anew.
func (a *attempts) progress() { a.n = 0 }

// mark lets the log tell which attempt a request is.
func (a *attempts) mark(req *http.Request) *http.Request {
	if a.made == 1 {
		return req
	}
	return req.WithContext(a.context(req.Context()))
}

// context is ctx marked as mark does it.
func (a *attempts) context(ctx context.Context) context.Context {
	if a.made == 1 {
		return ctx
	}
	return withAttempt(ctx, a.made)
}

// again waits and returns nil when what ended with err is to be tried again,
// and else the error to end with.
func (a *attempts) again(ctx context.Context, err error) error {
	if ctx.Err() != nil || !a.worthwhile(err) {
		return err
	}
	a.n++
	if a.n >= a.Attempts || a.n > maxSilent && isSilence(err) {
		return err
	}
	wait := min(a.Wait<<min(a.n-1, 16), maxPause)
	wait = wait/2 + rand.N(wait/2+1)
	asked := askedToWait(err)
	wait = max(wait, asked)
	deadline, limited := ctx.Deadline()
	if asked > a.MaxWait || limited && time.Until(deadline) <= wait {
		return err
	}
	TellStep(ctx, Step{Kind: StepRetry, Reference: a.about, Host: a.about.Host, Attempt: a.made + 1, Wait: wait, Err: err})
	if slept := sleep(ctx, wait); slept != nil {
		return fmt.Errorf("%w, while waiting to try again after: %v", slept, toldError{err})
	}
	a.made++
	return nil
}

// worthwhile is the table of Retry.
func (a *attempts) worthwhile(err error) bool {
	if errors.Is(err, verify.ErrMismatch) || errors.Is(err, errMangled) {
		again := !a.mangled
		a.mangled = true
		return again
	}
	return isTransient(err)
}

// isTransient tells errors that may not come again.
func isTransient(err error) bool {
	if e, ok := errors.AsType[*answerError](err); ok {
		return isTransientStatus(e.response.StatusCode)
	}
	if e, ok := errors.AsType[*auth.Error](err); ok && e.StatusCode != 0 {
		return isTransientStatus(e.StatusCode)
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, errNotRegistry), errors.Is(err, errTLSExpected),
		errors.Is(err, limit.ErrExceeded), errors.Is(err, auth.ErrRealmRefused), errors.Is(err, errElsewhere), isLocal(err), isTrustError(err):
		return false
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return !e.IsNotFound
	}
	return isBroken(err) || errors.Is(err, io.EOF) || isHTTP2Error(err)
}

// mayHaveActed tells failures after which the registry may have done what it
// was asked from refusals and from requests that never came to it.
func mayHaveActed(err error) bool {
	if e, ok := errors.AsType[*answerError](err); ok {
		return e.response.StatusCode >= 500
	}
	if _, ok := errors.AsType[*auth.Error](err); ok {
		return false
	}
	e, ok := errors.AsType[*net.OpError](err)
	return !ok || e.Op != "dial"
}

// isHTTP2Error recognises the failures of HTTP/2 connections, whose types
// net/http keeps to itself.
func isHTTP2Error(err error) bool {
	text := err.Error()
	return strings.Contains(text, "http2: ") || strings.Contains(text, "stream error: ")
}

// isSilence tells that nobody listens, or that nobody answered in time.
func isSilence(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout() || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, errStalled) || errors.Is(err, errSilent)
}

func isTransientStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return status >= 507 && status <= 599
}

// isBroken tells connections that could not be made or broke.
func isBroken(err error) bool {
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return true
	}
	for _, e := range []error{io.ErrUnexpectedEOF, errBroken, errStalled, errSilent, net.ErrClosed, syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.ECONNABORTED, syscall.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isTrustError tells failures of TLS that are about identity.
func isTrustError(err error) bool {
	if e, ok := errors.AsType[*certificateError](err); ok && !e.guess {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "remote error" // crypto/tls keeps the type of alerts to itself
}

// answerError is an answer that is an error, with what it says of when to come
// again.
type answerError struct {
	response *errcode.ErrorResponse
	rate     *RateLimit // nil: it says nothing
}

func (e *answerError) Error() string { return e.response.Error() }
func (e *answerError) Unwrap() error { return e.response }

// failure reads an answer of 400 and above as an error, and closes it.
func failure(resp *http.Response) error {
	defer drain(resp.Body)
	return &answerError{response: readError(resp), rate: readRateLimit(resp, time.Now())}
}

// askedToWait is how long the server wants to be left alone; 0: it does not say.
func askedToWait(err error) time.Duration {
	if e, ok := errors.AsType[*answerError](err); ok && e.rate != nil {
		return e.rate.Wait
	}
	if e, ok := errors.AsType[*auth.Error](err); ok {
		return e.RetryAfter
	}
	if e, ok := errors.AsType[*pausedError](err); ok {
		return e.wait
	}
	return 0
}
