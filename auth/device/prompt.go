package device

import (
	"context"
	"time"
)

// Prompt is what somebody needs to confirm a login. Its texts are printable
// ASCII, without anything that a terminal acts on.
type Prompt struct {
	// URI is where to go, at most 2048 bytes: an https URL, or an http one of a
	// loopback address where the provider is at such a one itself.
	URI string
	// CompleteURI is URI with the code in it, for a link or a QR code, under
	// the same rules. Where a program shows it, it shows UserCode beside it:
	// the person shall compare (RFC 8628, section 3.3.1). Empty: the provider
	// gives none.
	CompleteURI string
	// UserCode is what to type there, at most 64 bytes.
	UserCode string
	// Expires is when it is too late.
	Expires time.Time
}

// Prompter shows a Prompt. It returns once that is done: the wait begins then.
// It opens no browser unless the program has asked for that. Its error ends
// the login.
type Prompter interface {
	Prompt(ctx context.Context, p Prompt) error
}

// PrompterFunc is a function as a Prompter.
type PrompterFunc func(context.Context, Prompt) error

// Prompt calls f.
func (f PrompterFunc) Prompt(ctx context.Context, p Prompt) error { return f(ctx, p) }
