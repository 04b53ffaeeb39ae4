package chart_test

import (
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/chart"
)

// A pull brings neither the config nor a provenance file that nobody asked for:
// to advise one would send people round in circles.
func TestNotCachedAdvises(t *testing.T) {
	for _, part := range []string{chart.PartConfig, chart.PartProvenance, chart.PartArchive} {
		err := &chart.NotCachedError{Parts: []chart.MissingPart{{Part: part}}}
		if text := err.Error(); strings.Contains(text, "pull") || !strings.HasSuffix(text, "; do the same once with the registry in reach") {
			t.Errorf("%s: %s", part, text)
		}
	}
}
