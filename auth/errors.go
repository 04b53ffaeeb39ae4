package auth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/internal/redact"
)

var (
	// ErrNoCredential means that a provider has no credential for a resource.
	ErrNoCredential = errors.New("no credential")
	// ErrUnauthorized means that the registry or its token server wants a
	// credential, or another one.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrDenied means that the identity is known and may not do this.
	ErrDenied = errors.New("denied")
	// ErrRealmRefused means that a registry named a token server to which
	// credentials do not go.
	ErrRealmRefused = errors.New("token server refused")
	// ErrPlaintextRefused means that a secret would have gone over plain
	// HTTP, or into a file, in readable form.
	ErrPlaintextRefused = errors.New("plaintext refused")
	// ErrConfigInvalid means that a credential file, or an entry of one,
	// cannot be read.
	ErrConfigInvalid = errors.New("credential file is not valid")
	// ErrHelper means that a credential helper is missing or failed.
	ErrHelper = errors.New("credential helper failed")
)

// Stage is the step at which authentication failed.
type Stage string

// The stages, from the look-up of a credential to the registry's answer.
const (
	StageConfig    Stage = "config"    // reading or writing a credential file
	StageHelper    Stage = "helper"    // running a credential helper
	StageChallenge Stage = "challenge" // answering a challenge of the registry
	StageToken     Stage = "token"     // asking a token server
	StageRegistry  Stage = "registry"  // the registry's verdict on a request
)

// Error tells which resource could not be authenticated to, at which step, and
// with whose credential. It matches its Err and its Causes under errors.Is and
// errors.As. It never holds a secret: of what servers and helpers say, only
// codes and a bounded printable line are kept.
type Error struct {
	Resource   Resource // zero where a file or a helper failed for itself
	Stage      Stage
	StatusCode int           // of the registry or the token server; 0 without an answer
	Codes      []string      // the server's own codes: UNAUTHORIZED, DENIED, invalid_grant
	RetryAfter time.Duration // how long a token server asked to wait; 0 if it did not
	Username   string        // whose credential was used; may be empty
	Origin     Origin        // where that credential was found, or what failed; zero: none was used
	Message    string        // what happened
	Hint       string        // what to do about it; may be empty
	Err        error         // one of this package's sentinels, or nil
	Causes     []error       // what went wrong on the way: a broken helper, an unreadable file, a network error
}

// Error prints the subject, what happened, whose credential was used, what to
// do, and the causes.
func (e *Error) Error() string {
	subject := e.Resource.String()
	if e.ownFault() {
		subject = e.Origin.String()
	}
	return redact.Text(subject+": "+e.told(), maxText)
}

// ownFault tells that it is a file or a helper that has failed.
func (e *Error) ownFault() bool { return e.Stage == StageConfig || e.Stage == StageHelper }

// told is what Error prints without the subject.
func (e *Error) told() string {
	var b strings.Builder
	b.WriteString(e.Message)
	if len(e.Codes) > 0 {
		b.WriteString(" (" + strings.Join(e.Codes, ", ") + ")")
	}
	if e.Origin != (Origin{}) && !e.ownFault() {
		b.WriteString("; the credential was")
		if e.Username != "" {
			fmt.Fprintf(&b, " that of %q", e.Username)
		}
		b.WriteString(" from " + e.Origin.String())
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	if len(e.Causes) > 0 {
		b.WriteString(": " + joinErrors(e.Causes))
	}
	return redact.Text(b.String(), maxText)
}

// maxText bounds the text of an error, of which peers have written parts.
const maxText = 2048

// Unwrap returns Err and Causes.
func (e *Error) Unwrap() []error {
	var list []error
	if e.Err != nil {
		list = append(list, e.Err)
	}
	return append(list, e.Causes...)
}

// sentinelOf gives the sentinel for a status that ends an exchange.
func sentinelOf(status int) error {
	switch status {
	case http.StatusUnauthorized:
		return ErrUnauthorized
	case http.StatusForbidden:
		return ErrDenied
	}
	return nil
}

// statusText prints a status as "401 unauthorized".
func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, strings.ToLower(http.StatusText(status))))
}

// blame fills in whose credential e is about and, if nothing better is known,
// what the user can do.
func (e *Error) blame(r Resource, c Credential, causes []error) *Error {
	host := r.Host
	if r.isHub() {
		host = hubHost
	}
	hint := "log in to " + host
	secrets := c.spellings()
	e.Codes = slices.DeleteFunc(e.Codes, func(code string) bool { return redact.Hide(code, secrets) != code })
	if !c.IsZero() {
		e.Origin, e.Username = c.Origin, c.Username
		if c.Origin == (Origin{}) {
			e.Origin = Origin{Kind: "the caller"}
		}
		hint = fmt.Sprintf("log in to %s again, or log out of it to go on without a credential", host)
		if errors.Is(e.Err, ErrDenied) {
			hint = fmt.Sprintf("log in to %s with an account that may, or log out of it to go on without a credential", host)
		}
	}
	if e.Hint == "" && (errors.Is(e.Err, ErrUnauthorized) || errors.Is(e.Err, ErrDenied)) {
		e.Hint = hint
	}
	e.Causes = append(e.Causes, causes...)
	return e
}
