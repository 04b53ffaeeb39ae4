package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/redact"
)

// WrapError turns any error of an operation on a source, this module's or a
// foreign one such as an oras-go target, into an *Error whose Kind says what
// a caller can act on. An error that holds an *Error already is returned as it
// is; a context's own error keeps matching context.Canceled or
// context.DeadlineExceeded; nil stays nil.
func WrapError(op string, ref Reference, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	e := &Error{Op: op, Reference: ref, Err: redact.Error(err)}
	if wait := askedToWait(err); wait > 0 {
		e.RateLimit = &RateLimit{Wait: wait, Limit: -1, Remaining: -1}
		e.Hint = fmt.Sprintf("the server asks to come again in %s", wait.Round(time.Second))
	}
	if a, ok := errors.AsType[*answerError](err); ok && a.rate != nil {
		e.RateLimit = a.rate
	}
	if resp, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		e.fromResponse(resp)
		return e
	}
	e.Kind = kindOf(err)
	if ae, ok := errors.AsType[*auth.Error](err); ok {
		e.StatusCode, e.Codes = ae.StatusCode, ae.Codes
		if e.Kind == nil {
			e.Kind = kindOfStatus(ae.StatusCode)
		}
	}
	if errors.Is(err, errdef.ErrNotFound) {
		e.Err = nil // it says no more than the kind, and the reference again
	}
	e.Hint = cmp.Or(e.Hint, hintFor(err))
	return e
}

// kindOf finds the sentinel that an error means. The order matters: a
// cancelled context also shows as a broken connection.
func kindOf(err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil
	case errors.Is(err, ErrBlocked):
		return ErrBlocked
	case errors.Is(err, ErrRateLimited):
		return ErrRateLimited
	case errors.Is(err, ErrUnauthorized):
		return ErrUnauthorized
	case errors.Is(err, ErrDenied):
		return ErrDenied
	case errors.Is(err, ErrDigestMismatch):
		return ErrDigestMismatch
	case errors.Is(err, ErrUnavailable), errors.Is(err, errNotRegistry), errors.Is(err, errTLSExpected):
		return ErrUnavailable
	case errors.Is(err, errdef.ErrNotFound):
		return ErrNotFound
	case isLocal(err):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return ErrNotFound
	case errors.Is(err, errdef.ErrAlreadyExists):
		return ErrExists
	case errors.Is(err, errdef.ErrUnsupported), errors.Is(err, errors.ErrUnsupported):
		return ErrUnsupported
	case errors.Is(err, errdef.ErrInvalidReference):
		return ErrInvalidReference
	case isConnectionError(err):
		return ErrUnavailable
	}
	return nil
}

// isLocal tells errors of this machine's files, which no registry is to blame
// for: a full disk, a file that may not be written.
func isLocal(err error) bool {
	_, path := errors.AsType[*fs.PathError](err)
	_, link := errors.AsType[*os.LinkError](err)
	return path || link
}

func isConnectionError(err error) bool {
	if errors.Is(err, limit.ErrExceeded) {
		return false
	}
	_, ok := errors.AsType[*url.Error](err)
	return ok || isBroken(err)
}

// hintFor says what to do about the connection errors that users of every
// client ask about.
func hintFor(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		hint := "the host's certificate is signed by an authority that this machine does not know: give "
		if host := hostOf(err); host != "" { // which may be a token server or a mirror
			return hint + "the CA file of " + host
		}
		return hint + "its CA file"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the host's certificate is for another name"
	}
	if e, ok := errors.AsType[tls.RecordHeaderError](err); ok && strings.HasPrefix(string(e.RecordHeader[:]), "HTTP/") {
		return "the host answers in plain HTTP: configure it as plain HTTP if it is meant to"
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" && strings.Contains(e.Err.Error(), "certificate") {
		return "the host accepts only clients whose certificate it knows: configure a client certificate and its key, or others"
	}
	if e, ok := errors.AsType[*certificateError](err); ok {
		if e.shown {
			return "the host accepts only clients whose certificate it knows: configure another one"
		}
		return "configure a client certificate and its key for the host"
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return "the host answers in plain HTTP: configure it as plain HTTP if it is meant to"
	}
	return ""
}

// hostOf is the host that err is about; empty where that is not known.
func hostOf(err error) string {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		if u, perr := url.Parse(ue.URL); perr == nil {
			return redact.Text(u.Host, maxMessage)
		}
	}
	if ae, ok := errors.AsType[*auth.Error](err); ok && ae.Stage == auth.StageRegistry {
		return ae.Resource.APIHost()
	}
	return ""
}

// What is repeated of a registry's words.
const (
	maxMessage = 256 // bytes
	maxCodes   = 8
)

// codePattern is how the OCI distribution spec forms its error codes.
var codePattern = regexp.MustCompile(`^[A-Za-z_]{1,40}$`)

// fromResponse reads what a registry answered in the form of the OCI
// distribution spec.
func (e *Error) fromResponse(resp *errcode.ErrorResponse) {
	e.StatusCode = resp.StatusCode
	var messages []string
	for _, item := range resp.Errors {
		if codePattern.MatchString(item.Code) && !slices.Contains(e.Codes, item.Code) && len(e.Codes) < maxCodes {
			e.Codes = append(e.Codes, item.Code)
		}
		if item.Message != "" && !slices.Contains(messages, item.Message) {
			messages = append(messages, item.Message)
		}
	}
	e.Err = nil
	if len(messages) > 0 {
		e.Err = fmt.Errorf("the registry says %q", redact.Text(strings.Join(messages, "; "), maxMessage))
	}
	has := func(code string) bool { return slices.Contains(e.Codes, code) }
	e.Kind = kindOfStatus(resp.StatusCode)
	switch {
	case e.Kind != nil:
	case has(errcode.ErrorCodeManifestUnknown), has(errcode.ErrorCodeNameUnknown), has(errcode.ErrorCodeBlobUnknown):
		e.Kind = ErrNotFound
	case has(errcode.ErrorCodeUnsupported):
		e.Kind = ErrUnsupported
	case has(errcode.ErrorCodeDigestInvalid), has(errcode.ErrorCodeSizeInvalid):
		e.Kind = ErrDigestMismatch
	}
	if resp.StatusCode == http.StatusProxyAuthRequired {
		e.Hint = "the proxy wants a user name and a password: write them into its URL"
	}
	if has(errcode.ErrorCodeNameUnknown) {
		e.Hint = fmt.Sprintf("no repository %s: the chart's name is part of the reference", e.Reference.Name())
	}
}

func kindOfStatus(status int) error {
	switch {
	case status == http.StatusTooManyRequests:
		return ErrRateLimited
	case status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented:
		return ErrUnsupported
	case status >= 500, status == http.StatusProxyAuthRequired:
		return ErrUnavailable
	case status == http.StatusUnauthorized:
		return ErrUnauthorized
	case status == http.StatusForbidden:
		return ErrDenied
	case status == http.StatusNotFound:
		return ErrNotFound
	}
	return nil
}
