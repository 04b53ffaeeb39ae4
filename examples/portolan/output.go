package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// result is what a command on one chart prints with -o json.
type result struct {
	Reference registry.Reference `json:"reference,omitzero"`
	Digest    digest.Digest      `json:"digest,omitempty"` // of the manifest
	Size      int64              `json:"size,omitempty"`   // of the archive, in bytes
	Name      string             `json:"name,omitempty"`
	Version   string             `json:"version,omitempty"`
	Tag       string             `json:"tag,omitempty"`
	Tags      []string           `json:"tags,omitempty"`
	Path      string             `json:"path,omitempty"`
	Prov      string             `json:"provenance,omitempty"` // the path of the .prov file
	How       string             `json:"how,omitempty"`
	Origin    cache.Origin       `json:"origin,omitempty"`
	Confirmed time.Time          `json:"confirmed,omitzero"`  // when the registry last said what the tag names
	Listed    time.Time          `json:"listed,omitzero"`     // when it gave the list that the version was chosen from
	Moved     *cache.TagMoved    `json:"moved,omitempty"`     // the tag named something else before
	Mirror    string             `json:"mirror,omitempty"`    // the mirror that sent the archive
	TagMirror string             `json:"tagMirror,omitempty"` // the mirror that resolved the tag, which may be behind
	Verified  []string           `json:"verifiedBy,omitempty"`
	Exists    *bool              `json:"exists,omitempty"`
	Sent      *int64             `json:"sent,omitempty"` // bytes
}

// print writes v as JSON, or else what table writes.
func (a *app) print(v any, table func(w *tabwriter.Writer)) error {
	a.progress.finish()
	if a.output == "json" {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	table(w)
	return w.Flush()
}

// note writes a line for people on standard error: one line whatever is in it,
// and nothing that a terminal would act on.
func (a *app) note(format string, args ...any) {
	text := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, fmt.Sprintf(format, args...))
	fmt.Fprintf(a.progress.above(a.err), "portolan: %s\n", strings.Join(strings.Fields(text), " "))
}

// fileName is the name of a file, or what is said of it, in a table: quoted where
// it would break the line or be acted on by a terminal.
func fileName(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	return strconv.Quote(text)
}

// size prints bytes for people.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	div, exp := int64(unit), 0
	for m := n / unit; m >= unit && exp < 3; m /= unit {
		div, exp = div*unit, exp+1
	}
	return fmt.Sprintf("%.1f %ciB", float64(n)/float64(div), "KMGT"[exp])
}

// parse reads a full reference; those of the command line are for app.parse.
func parse(s string) (registry.Reference, error) {
	ref, err := registry.ParseReference(s)
	if err != nil {
		return ref, usageError{err}
	}
	return ref, nil
}
