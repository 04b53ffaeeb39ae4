package chart

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/registry"
)

// ErrAmbiguous: an image index names several charts, and nothing says which is
// meant. The error is an *IndexError, which lists them. Selector.Chart chooses
// by name; a reference with the digest of one of them needs no choice.
var ErrAmbiguous = errors.New("more than one chart")

// IndexedChart is a chart that an image index names.
type IndexedChart struct {
	// Name is the title that the index, or else the chart's manifest, gives it
	// (annotation org.opencontainers.image.title). Empty: neither says.
	Name string `json:"name,omitempty"`
	// Digest is that of the chart's manifest.
	Digest digest.Digest `json:"digest"`
}

// IndexError tells why no one chart was found in an image index.
type IndexError struct {
	// Reference is pinned by the digest of the index.
	Reference registry.Reference
	// Wanted is Selector.Chart; empty: whichever there is.
	Wanted string
	// Charts are those that the index names, in its order.
	Charts []IndexedChart
	// Problem adds to what Err says; it may be empty.
	Problem string
	// Err is ErrNotChart where none of its manifests is a chart's; ErrAmbiguous
	// where several are; registry.ErrNotFound where none has the name Wanted.
	Err error
}

// Error is one line, as with ArchiveError, that names at most five charts.
func (e *IndexError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", spell(e.Reference), e.Err)
	switch {
	case e.Wanted != "":
		fmt.Fprintf(&b, ": image index without one chart named %s", quoted(e.Wanted))
	case len(e.Charts) == 0:
		b.WriteString(" but an image index that names none")
	default:
		b.WriteString(" in this image index")
	}
	if e.Problem != "" {
		b.WriteString("; " + shown(e.Problem))
	}
	if len(e.Charts) == 0 {
		return b.String()
	}
	b.WriteString("; choose by name or digest from ")
	for i, c := range e.Charts[:min(named, len(e.Charts))] {
		if i > 0 {
			b.WriteString(", ")
		}
		if c.Name != "" {
			b.WriteString(quoted(c.Name) + " ")
		}
		b.WriteString(string(c.Digest))
	}
	if more := len(e.Charts) - named; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *IndexError) Unwrap() error { return e.Err }
