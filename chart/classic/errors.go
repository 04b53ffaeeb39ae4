package classic

import (
	"errors"
	"fmt"

	"github.com/portolan-oci/portolan/internal/redact"
)

// ErrInvalidIndex: what stands where the index should be is none, or one that
// no reader could use: no YAML, without an apiVersion, a web page. An error of
// a single entry is an *EntryError instead.
var ErrInvalidIndex = errors.New("invalid chart repository index")

// EntryError tells what is wrong with one entry of an index. Such entries are
// passed over, as Helm does, and the rest is used. It matches ErrInvalidIndex,
// and what Err matches. Its fields are what was found there, unchanged; what
// Error makes of them can be printed.
type EntryError struct {
	Chart    string // the name under which the entry is listed
	Version  string // as the entry spells it; empty where it cannot be read
	Position int    // among the entries of the chart, from 0
	Err      error
}

func (e *EntryError) Error() string {
	what := "chart " + quoted(e.Chart)
	if e.Version != "" {
		what += " version " + quoted(e.Version)
	}
	return fmt.Sprintf("%s: entry %d of the index: %s", what, e.Position, shown(e.Err.Error()))
}

// Unwrap returns ErrInvalidIndex and Err.
func (e *EntryError) Unwrap() []error { return []error{ErrInvalidIndex, e.Err} }

// An index comes from strangers. So the text of every error goes through one of
// these two: shown for sentences, quoted for names and values.

func shown(s string) string { return redact.Shown(s) }

func quoted(s string) string { return redact.Quoted(s) }
