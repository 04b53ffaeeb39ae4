package chart

import (
	"strconv"
	"strings"

	"github.com/portolan-oci/portolan/internal/redact"
)

const (
	// maxShown bounds each part of an error's text, in bytes: room for a path
	// of maxName, or for a sentence.
	maxShown = 1024
	// maxQuoted bounds a name or a value within a sentence, in bytes.
	maxQuoted = 200
)

// Charts come from strangers, and errors end on terminals and in logs. So the
// text of every error goes through one of these two: shown for sentences,
// which drops what cannot be printed, quoted for names and values, which
// spells it out.

func shown(s string) string {
	// Cut first: looking for links in a megabyte takes a while.
	if len(s) > 4*maxShown {
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
