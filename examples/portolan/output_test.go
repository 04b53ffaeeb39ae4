package main

import (
	"strings"
	"testing"
	"text/tabwriter"
	"unicode/utf8"
)

// TestTablesOfStrangersNames: a name that somebody gives to a file does not
// reach the terminal as it is.
func TestTablesOfStrangersNames(t *testing.T) {
	name := "/cache/evil\x1b[31m\nKIND\u009b\xff"
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	faultTable(w, "", []cacheFault{{Kind: "foreign", Problem: name, Path: name}})
	gcResult{Due: true, Removed: []gcRemoval{{Kind: "litter", Path: name}}}.table(w, "")
	w.Flush()
	if got := out.String(); strings.ContainsAny(got, "\x1b\u009b") || !utf8.ValidString(got) || strings.Contains(got, "\nKIND\\") {
		t.Errorf("%q", got)
	}
	if got := fileName("/home/ä b/1.0.0"); got != "/home/ä b/1.0.0" {
		t.Errorf("%q", got)
	}
}
