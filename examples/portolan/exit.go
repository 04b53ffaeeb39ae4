package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// The exit statuses.
const (
	exitOK           = 0
	exitFailure      = 1 // any other failure
	exitUsage        = 2
	exitNotFound     = 3 // not found, or no version matches
	exitUnauthorized = 4 // unauthorized or denied
	exitVerification = 5 // content failed verification
	exitConflict     = 6 // exists already, moved, or a lock out of date
	exitUnavailable  = 7 // unreachable or rate-limited
)

// usageError is about the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// report prints an error on one line and turns it into the exit status.
func (a *app) report(err error) int {
	a.progress.finish()
	if err == nil {
		return exitOK
	}
	a.note("%s", err)
	return status(err)
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
	_, declared := errors.AsType[*chart.DependenciesError](err) // its references stand in Chart.yaml
	switch {
	case usage, is(registry.ErrInvalidReference) && !declared, strings.HasPrefix(err.Error(), "unknown command"):
		return exitUsage
	case is(registry.ErrDigestMismatch, chart.ErrVerification):
		return exitVerification
	case is(registry.ErrUnauthorized, registry.ErrDenied):
		return exitUnauthorized
	case is(registry.ErrExists, registry.ErrTagMoved, chart.ErrLockOutdated):
		return exitConflict
	case is(chart.ErrNoMatch, registry.ErrNotFound):
		return exitNotFound
	case is(registry.ErrUnavailable, registry.ErrRateLimited, context.DeadlineExceeded):
		return exitUnavailable
	}
	return exitFailure
}
