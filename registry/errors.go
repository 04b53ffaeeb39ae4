package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"oras.land/oras-go/v2/errdef"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/internal/redact"
	"github.com/portolan-oci/portolan/internal/verify"
)

// What a caller can act on. Every error of this module that has one of these
// causes matches it under errors.Is; details are in *Error.
var (
	// ErrNotFound: no such repository, manifest, tag or blob, or none that
	// these credentials may see. Matches fs.ErrNotExist.
	ErrNotFound error = &sentinel{"not found", []error{fs.ErrNotExist, errdef.ErrNotFound}}
	// ErrUnauthorized: the registry wants other credentials, or some.
	ErrUnauthorized = auth.ErrUnauthorized
	// ErrDenied: the credentials are good and do not suffice.
	ErrDenied = auth.ErrDenied
	// ErrDigestMismatch: content is not what its digest or size promised.
	ErrDigestMismatch = verify.ErrMismatch
	// ErrTagMoved: a tag names another manifest than the digest beside it.
	ErrTagMoved = errors.New("tag has moved")
	// ErrRateLimited: the registry asks to come back later.
	ErrRateLimited = errors.New("rate limited")
	// ErrUnsupported: the registry, or the source, does not do this.
	ErrUnsupported error = &sentinel{"not supported", []error{errdef.ErrUnsupported, errors.ErrUnsupported}}
	// ErrExists: the name is taken by other content.
	ErrExists error = &sentinel{"already exists", []error{fs.ErrExist, errdef.ErrAlreadyExists}}
	// ErrUnavailable: no usable answer: the host is down, unreachable or
	// failing, the connection broke, or something else than a registry
	// answered.
	ErrUnavailable = errors.New("registry unavailable")
	// ErrBlocked: the configuration of the host forbids to use this part of it
	// (Rewrite.Blocked). No request was made.
	ErrBlocked = errors.New("blocked by configuration")
	// ErrInvalidReference: a reference, a tag or a digest is malformed, or
	// lacks a part that the operation needs.
	ErrInvalidReference error = &sentinel{"invalid reference", []error{errdef.ErrInvalidReference}}
)

// sentinel is an error value that matches others of its meaning: the standard
// library's and those of oras-go, whose targets users bring along.
type sentinel struct {
	text string
	also []error
}

func (s *sentinel) Error() string { return s.text }

func (s *sentinel) Is(target error) bool {
	for _, e := range s.also {
		if e == target {
			return true
		}
	}
	return false
}

// Error is what an operation on a registry ends with. errors.Is sees both
// Kind and the cause Err. It never contains a secret.
type Error struct {
	// Op is the operation, in the words of this module: "resolve", "fetch",
	// "push", "tag", "list tags".
	Op string
	// Reference is what the operation was about.
	Reference Reference
	// URL is what it was about where no reference names it, without what could
	// be a secret. May be empty.
	URL string
	// Kind is one of this package's sentinels, or nil.
	Kind error
	// StatusCode is that of the deciding HTTP response; 0: there was none.
	StatusCode int
	// Codes are the registry's own error codes, such as MANIFEST_UNKNOWN (OCI
	// distribution spec, Error Codes). May be empty.
	Codes []string
	// RateLimit is what the server says of how much it may be asked, with
	// ErrRateLimited, and with ErrUnavailable when it says when to come again.
	// nil: nothing.
	RateLimit *RateLimit
	// Mirror is the mirror whose answer it was; empty: the origin's, or none.
	Mirror string
	// Hint is what to do about it. May be empty.
	Hint string
	// Err is the cause beneath. May be nil.
	Err error
}

// Error prints operation, reference, kind, status, codes, cause and hint on
// one line, without characters that a terminal acts on.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if !e.Reference.IsZero() {
		b.WriteString(" " + e.Reference.String())
	}
	if e.URL != "" {
		b.WriteString(" " + redact.Text(e.URL, maxText))
	}
	text := ""
	_, told := errors.AsType[*auth.Error](e.Err) // kind, status and codes, in its own words
	if e.Kind != nil && !told {
		text = e.Kind.Error()
		b.WriteString(": " + text)
	}
	if e.StatusCode != 0 && !told {
		fmt.Fprintf(&b, " (HTTP %d", e.StatusCode)
		if len(e.Codes) > 0 {
			b.WriteString(" " + strings.Join(e.Codes, ", "))
		}
		b.WriteString(")")
	}
	if e.Err != nil && e.Err.Error() != text {
		b.WriteString(": " + redact.Text(e.Err.Error(), maxText))
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap gives errors.Is and errors.As both the kind and the cause.
func (e *Error) Unwrap() []error {
	var all []error
	if e.Kind != nil {
		all = append(all, e.Kind)
	}
	if e.Err != nil {
		all = append(all, e.Err)
	}
	return all
}

// FromMirror tells an error of wrong content that a mirror gave. The mirror is
// passed over from then on, so that fetching again asks elsewhere.
func FromMirror(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Mirror != "" && errors.Is(err, ErrDigestMismatch)
}

// maxText bounds what an error repeats of its cause, which a peer may have
// written.
const maxText = 2048

// ReferenceError tells what is wrong with a reference. It matches
// ErrInvalidReference.
type ReferenceError struct {
	Reference string // as it was given, less a user's name and password
	Problem   string
	Hint      string // what to write instead; may be empty
}

func (e *ReferenceError) Error() string {
	text := fmt.Sprintf("reference %.300q: %s", e.Reference, e.Problem)
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Unwrap makes every ReferenceError match ErrInvalidReference.
func (e *ReferenceError) Unwrap() error { return ErrInvalidReference }
