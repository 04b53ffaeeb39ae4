package redact

import (
	"strconv"
	"strings"
)

// Charts and indexes come from strangers, and errors end on terminals and in
// logs. So the text of such errors goes through one of these two.

const (
	// MaxShown bounds each part of an error's text, in bytes: room for a long
	// path or URL, or for a sentence.
	MaxShown = 1024
	// maxQuoted bounds a name or a value within a sentence, in bytes.
	maxQuoted = 200
)

// Shown makes a sentence about what came from a stranger fit to be printed, as
// Text does, within MaxShown bytes: what cannot be printed is dropped.
func Shown(s string) string {
	// Cut first: looking for links in a megabyte takes a while.
	if len(s) > 4*MaxShown {
		s = s[:4*MaxShown]
	}
	return Text(s, MaxShown)
}

// Quoted spells out a name or a value: what cannot be printed is escaped.
func Quoted(s string) string {
	if len(s) > maxQuoted {
		s = strings.ToValidUTF8(s[:maxQuoted], "") + "…"
	}
	return strconv.Quote(s)
}
