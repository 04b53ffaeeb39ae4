package classic

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

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

// An index comes from strangers, and errors end on terminals and in logs:
// shown is for sentences, quoted for names and values.

const (
	maxShown  = 1024 // bytes: room for a URL, or for a sentence
	maxQuoted = 200  // bytes
)

func shown(s string) string {
	if len(s) > 4*maxShown { // looking for links in a megabyte takes a while
		s = s[:4*maxShown]
	}
	return redact.Text(s, maxShown)
}

func quoted(s string) string {
	if len(s) > maxQuoted {
		s = strings.ToValidUTF8(s[:maxQuoted], "") + "…"
	}
	return strconv.Quote(s)
}
