package registrytest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/registry"
)

// Report is what Conformance found, in the order of its checks.
type Report struct {
	Repository registry.Reference
	Checks     []Check
}

// Check is one thing that was tried.
type Check struct {
	Name    string
	Outcome Outcome
	// Err is why a check failed, or in what way a registry does not support
	// it. nil: it passed.
	Err error
	// Requests is how many were sent, those for tokens and repeated ones
	// included. Zero: none, or the client's own Transport does not tell
	// (net/http/httptrace).
	Requests int
	Took     time.Duration
}

// Err joins the errors of the checks that failed; nil: none did. What a
// registry does not support is no error.
func (r Report) Err() error {
	var all []error
	for _, c := range r.Checks {
		if c.Outcome == Failed {
			all = append(all, fmt.Errorf("%s: %w", c.Name, c.Err))
		}
	}
	return errors.Join(all...)
}

func (r Report) outcome(name string) Outcome {
	for _, c := range r.Checks {
		if c.Name == name {
			return c.Outcome
		}
	}
	return Skipped
}

// String is a table with a line for each check.
func (r Report) String() string {
	var b strings.Builder
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%-40s %-11s %3d requests %6d ms", c.Name, c.Outcome, c.Requests, c.Took.Milliseconds())
		if c.Err != nil {
			fmt.Fprintf(&b, "  %v", c.Err)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
