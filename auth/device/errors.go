package device

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/internal/redact"
)

// ErrExpired means that nobody confirmed in time. Begin anew.
var ErrExpired = errors.New("the device code has expired")

// Error is what a provider ended a login with. Of its words it holds the code
// alone, and no secret.
type Error struct {
	Server     string // the provider's host
	StatusCode int    // of its answer; 0: there was none, or it was not the point
	Code       string // RFC 6749, section 5.2 and RFC 8628, section 3.5, as in access_denied; may be empty
	Message    string // what happened
	Hint       string // what to do about it; may be empty
	Err        error  // auth.ErrDenied, auth.ErrUnauthorized, ErrExpired, or the cause; may be nil
}

// Error prints the provider, what happened, its code, what to do, and the
// cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("device login at " + e.Server + ": " + e.Message)
	if e.Code != "" {
		b.WriteString(" (" + e.Code + ")")
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	if ue, ok := errors.AsType[*url.Error](e.Err); ok {
		b.WriteString(": " + ue.Error())
	}
	return redact.Text(b.String(), maxText)
}

// maxText bounds the text of an error.
const maxText = 1024

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

func newError(server, message string) *Error {
	e := &Error{Message: message}
	if u, err := url.Parse(server); err == nil {
		e.Server = u.Host
	}
	return e
}

// failure makes an error of ours of what x/oauth2 ends with, whose own repeats
// the answer's body.
func (f *Flow) failure(ctx context.Context, endpoint string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if r, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return refusal(endpoint, r.Response.StatusCode, r.ErrorCode)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return expired(endpoint)
	}
	return newError(endpoint, "its answer has no token")
}

func expired(endpoint string) *Error {
	e := newError(endpoint, "nobody has confirmed in time")
	e.Err, e.Hint = ErrExpired, "begin the login anew"
	return e
}

// codesKnown are those of RFC 6749, section 5.2 and RFC 8628, section 3.5. What else stands
// there is the provider's own text.
var codesKnown = []string{
	"access_denied", "expired_token", "invalid_client", "invalid_grant", "invalid_request", "invalid_scope",
	"unauthorized_client", "unsupported_grant_type", "authorization_pending", "slow_down",
}

// refusal reads a provider's code.
func refusal(endpoint string, status int, code string) *Error {
	if !slices.Contains(codesKnown, code) {
		code = ""
	}
	e := newError(endpoint, "")
	switch code {
	case "access_denied":
		e.Message, e.Err = "the login was refused there", auth.ErrDenied
	case "expired_token":
		e = expired(endpoint)
	case "invalid_client", "unauthorized_client":
		e.Message, e.Err = "it does not let this client log in", auth.ErrUnauthorized
		e.Hint = "check the client ID, and that the device flow is switched on for it"
	case "invalid_scope":
		e.Message, e.Hint = "it does not know the scopes", "check them with who runs it"
	case "invalid_grant":
		e.Message, e.Err, e.Hint = "it does not take the code any more", auth.ErrUnauthorized, "begin the login anew"
	case "unsupported_grant_type":
		e.Message, e.Hint = "it has no device flow", "check the endpoints"
	default:
		e.Message, e.Hint = "it answered "+statusText(status), "check the endpoints and the client ID"
	}
	e.StatusCode, e.Code = status, code
	return e
}

func statusText(status int) string {
	if status/100 == 2 {
		return "with an error"
	}
	if text := http.StatusText(status); text != "" {
		return strings.ToLower(text)
	}
	return "with a status of its own"
}
