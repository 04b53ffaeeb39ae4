package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/auth/device"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// The exit statuses.
const (
	exitOK           = 0
	exitFailure      = 1 // any other failure
	exitUsage        = 2
	exitNotFound     = 3   // not found, or no version matches
	exitUnauthorized = 4   // unauthorized or denied, by a registry or by the user's own configuration
	exitVerification = 5   // content failed verification
	exitConflict     = 6   // exists already, moved, or a lock out of date
	exitUnavailable  = 7   // unreachable or rate-limited, or --timeout is over
	exitSignal       = 128 // and the signal's number, as shells count: 130 for Ctrl-C
)

// usageError is about the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// missingError is about a chart that is named by a path where there is none.
// Other files that are missing, such as a keyring, are failures of another kind.
type missingError struct{ error }

func (e missingError) Unwrap() error { return e.error }

// chartAt marks the error of opening the chart that the command line names.
func chartAt(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return missingError{err}
	}
	return err
}

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// timeoutError ends a command that took longer than --timeout.
type timeoutError struct{ after time.Duration }

func (e timeoutError) Error() string { return fmt.Sprintf("gave up after %s (--timeout)", e.after) }

// Unwrap keeps it what it is to whoever gets the cause of a context: net/http
// answers with that.
func (e timeoutError) Unwrap() error { return context.DeadlineExceeded }

// signalError ends a command that somebody wants to end.
type signalError struct{ signal os.Signal }

func (e signalError) Error() string {
	if e.signal == os.Interrupt {
		return "interrupted"
	}
	return e.signal.String()
}

// Unwrap is for whoever gets the cause of a context.
func (e signalError) Unwrap() error { return context.Canceled }

// status follows the shells: callers see which signal it was.
func (e signalError) status() int {
	number, _ := e.signal.(syscall.Signal)
	return exitSignal + int(number)
}

// report prints an error on one line and turns it into the exit status.
func (a *app) report(err error) int {
	a.progress.finish()
	if err == nil {
		return exitOK
	}
	var why error
	if a.ended != nil {
		why = a.ended()
	}
	if stop, ok := errors.AsType[signalError](why); ok {
		a.note("%s", stop)
		return stop.status()
	}
	if over, ok := errors.AsType[timeoutError](why); ok && errors.Is(err, context.DeadlineExceeded) {
		a.note("%s%s", over, doing(err))
		return exitUnavailable
	}
	a.note("%s%s", err, flagFor(err))
	return status(err)
}

// flagFor names the flag where the library's hint cannot. A bare one is for
// the host of the command line alone, and not for its token server or mirror.
func flagFor(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return " (--ca-file HOST=FILE)"
	}
	return ""
}

// doing says in the middle of what a command was ended.
func doing(err error) string {
	e, ok := errors.AsType[*registry.Error](err)
	if !ok {
		return ""
	}
	what := e.URL
	if !e.Reference.IsZero() {
		what = e.Reference.String()
	}
	return strings.TrimRight(": "+e.Op+" "+what, " ")
}

func status(err error) int {
	is := func(targets ...error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
	_, usage := errors.AsType[usageError](err)
	_, missing := errors.AsType[missingError](err)
	_, declared := errors.AsType[*chart.DependenciesError](err) // its references stand in Chart.yaml
	text := err.Error()                                         // cobra has no types for these
	unknown := strings.HasPrefix(text, "unknown command") || strings.HasPrefix(text, "if any flags in the group")
	switch {
	case usage, unknown, is(registry.ErrInvalidReference) && !declared:
		return exitUsage
	case is(registry.ErrDigestMismatch, chart.ErrVerification, errBadCache):
		return exitVerification
	case is(registry.ErrUnauthorized, registry.ErrDenied, registry.ErrBlocked, auth.ErrPlaintextRefused, auth.ErrRealmRefused, device.ErrExpired):
		return exitUnauthorized
	case is(registry.ErrExists, registry.ErrTagMoved, chart.ErrLockOutdated):
		return exitConflict
	case is(chart.ErrNoMatch, registry.ErrNotFound), missing:
		return exitNotFound
	case is(registry.ErrUnavailable, registry.ErrRateLimited, context.DeadlineExceeded):
		return exitUnavailable
	}
	return exitFailure
}
