package chart

import "github.com/portolan-oci/portolan/internal/redact"

// Charts come from strangers. So the text of every error goes through one of
// these two: shown for sentences, quoted for names and values.

func shown(s string) string { return redact.Shown(s) }

func quoted(s string) string { return redact.Quoted(s) }
