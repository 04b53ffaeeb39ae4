package retryafter

import (
	"net/http"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":      0,
		"7":     7 * time.Second,
		" 1.5 ": 1500 * time.Millisecond,
		"-1":    0,
		"1h":    0,
		"NaN":   0,
		now.Add(time.Minute).Format(http.TimeFormat):  time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := Parse(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
	for _, value := range []string{"1e300", "9999999999999999999", "Inf"} {
		if got := Parse(http.Header{"Retry-After": {value}}, now); got < 100*365*24*time.Hour {
			t.Errorf("%q: %s, want what nobody waits for", value, got)
		}
	}
}
