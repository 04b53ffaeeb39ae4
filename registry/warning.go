package registry

import (
	"context"
	"hash/maphash"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/portolan-oci/portolan/internal/redact"
)

// Bounds of what registries may write into a log by their warnings.
const (
	// maxWarning is the most of one warning, in bytes: a few sentences.
	maxWarning = 512
	// maxWarnings is how many different ones of a host a client tells of: a
	// registry that puts the time into them shall not fill the log, nor silence
	// the others.
	maxWarnings = 64
	// maxWarningHeader is what is looked at of one answer's headers, in bytes:
	// the OCI distribution spec lets all its warnings have 4096.
	maxWarningHeader = 4096
)

// warnings remembers what has been told. One client, and all that With
// derives, have one.
type warnings struct {
	seed maphash.Seed

	mu   sync.Mutex
	told map[string]map[uint64]bool // by host
}

func newWarnings() *warnings {
	return &warnings{seed: maphash.MakeSeed(), told: map[string]map[uint64]bool{}}
}

// tell logs the warnings of an answer, each text once (OCI distribution spec
// 1.1, Warnings: a client should report them without duplicates, and act on
// none).
func (w *warnings) tell(ctx context.Context, to *slog.Logger, resp *http.Response) {
	values := slices.Clone(resp.Header["Warning"])
	if len(values) == 0 {
		return
	}
	echoes := redact.Echoes(resp.Request)
	for i, value := range values {
		values[i] = redact.Hide(value[:min(len(value), maxWarningHeader)], echoes)
	}
	for _, text := range parseWarnings(values) {
		text = redact.Hide(text, echoes) // again: what was escaped is not now
		host := resp.Request.URL.Host
		key := maphash.String(w.seed, text)
		w.mu.Lock()
		told := w.told[host]
		news := !told[key] && len(told) < maxWarnings && (told != nil || len(w.told) < maxHosts)
		if news && told == nil {
			told = map[uint64]bool{}
			w.told[host] = told
		}
		if news {
			told[key] = true
		}
		w.mu.Unlock()
		if news {
			to.WarnContext(ctx, "the registry warns", "host", host, "warning", text)
		}
	}
}

// warningValue is the one form that the OCI distribution spec allows of RFC
// 7234, 5.5: code 299, no agent. Its text is a quoted-string.
var warningValue = regexp.MustCompile(`(?:^|,)[ \t]*299[ \t]+-[ \t]+"((?:[^"\\]|\\.)*)"`)

// parseWarnings returns the texts of the warnings in a Warning header's
// values, fit to be shown. Those of caches (110, 199 and so on) are not the
// registry's.
func parseWarnings(values []string) []string {
	var all []string
	left := maxWarningHeader
	for _, value := range values {
		value = value[:min(len(value), left)]
		left -= len(value)
		for _, found := range warningValue.FindAllStringSubmatch(value, -1) {
			if text := redact.Text(unquotePairs.Replace(found[1]), maxWarning); text != "" {
				all = append(all, text)
			}
		}
	}
	return all
}

// unquotePairs undoes quoted-pair (RFC 7230, 3.2.6) for the two characters
// that need it.
var unquotePairs = strings.NewReplacer(`\"`, `"`, `\\`, `\`)
