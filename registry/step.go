package registry

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/portolan-oci/portolan/internal/redact"
)

// StepKind is what a step does. There may be more of them one day: print what
// you do not know as Step.String does.
type StepKind string

const (
	// StepResolve asks what a tag or a range of versions names.
	StepResolve StepKind = "resolve"
	// StepVerify asks who vouches for a chart.
	StepVerify StepKind = "verify"
	// StepWait holds a request back before it is first made: the host is known
	// to be busy or to limit its requests.
	StepWait StepKind = "wait"
	// StepRetry makes a request again that has failed, after Wait.
	StepRetry StepKind = "retry"
)

// Step is a part of an operation in which no bytes of content move.
type Step struct {
	Kind StepKind
	// Reference is what the step is about. May be zero.
	Reference Reference
	// Host is who is waited for, or asked. May be empty.
	Host string
	// Attempt counts the attempts of StepRetry: the first retry is the second
	// attempt. Zero elsewhere.
	Attempt int
	// Wait is how long nothing is done before the step, or in it. Zero: it goes
	// on at once.
	Wait time.Duration
	// Err is why StepWait and StepRetry are needed. May be nil.
	Err error
}

// maxReason bounds what a step repeats of an error, in bytes: it has to fit
// on a line beside a bar.
const maxReason = 80

// String says the step in a few words on one line, as in "resolving" or
// "retrying (attempt 2: connection reset by peer)".
func (s Step) String() string {
	switch s.Kind {
	case StepResolve:
		return "resolving"
	case StepVerify:
		return "verifying"
	case StepWait:
		return "waiting (" + join(s.reason(), s.wait()) + ")"
	case StepRetry:
		return fmt.Sprintf("retrying (attempt %d: %s)", s.Attempt, join(s.reason(), s.wait()))
	}
	return redact.Text(string(s.Kind), maxReason)
}

// toldError is an error as it is told to others, in a Step or in a log: answers
// and transports repeat URLs whole, and what is in their queries is secret.
type toldError struct{ error }

func (e toldError) Error() string { return redact.Text(e.error.Error(), maxText) }
func (e toldError) Unwrap() error { return e.error }

// wait says waits that a person notices.
func (s Step) wait() string {
	if s.Wait < time.Second {
		return ""
	}
	return "in " + s.Wait.Round(time.Second).String()
}

func (s Step) reason() string {
	err := s.Err
	if resp, ok := errors.AsType[*errcode.ErrorResponse](err); ok && kindOfStatus(resp.StatusCode) != ErrRateLimited {
		return fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	switch {
	case err == nil:
		return "the host is busy"
	case errors.Is(err, ErrRateLimited), s.limited():
		return "rate limited"
	}
	for { // what a connection says is innermost: around it stand URL and addresses
		next := errors.Unwrap(err)
		if next == nil {
			return redact.Text(err.Error(), maxReason)
		}
		err = next
	}
}

func (s Step) limited() bool {
	resp, ok := errors.AsType[*errcode.ErrorResponse](s.Err)
	return ok && resp.StatusCode == http.StatusTooManyRequests
}

func join(reason, wait string) string {
	if wait == "" {
		return reason
	}
	return reason + ", " + wait
}
