package registry

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/internal/retryafter"
)

// RateLimit is what a server says of how much it may be asked.
type RateLimit struct {
	// Wait is how long it asks to be left alone (Retry-After, RFC 9110 section
	// 10.2.3). Zero: it does not say.
	Wait time.Duration
	// Limit and Remaining are requests: how many there may be in a window, and
	// how many are left of it. -1: it does not say.
	Limit, Remaining int
	// Reset is how long until the window begins anew. Zero: it does not say.
	Reset time.Duration
}

// readRateLimit reads the headers that registries send: Docker Hub's
// "RateLimit-Limit: 100;w=21600", the numbers of GitHub and many gateways, with
// "X-" or without, whose reset is in seconds or a time of Unix, and the draft's
// `RateLimit: "default";r=50;t=30` (draft-ietf-httpapi-ratelimit-headers). nil:
// there are none.
func readRateLimit(resp *http.Response, now time.Time) *RateLimit {
	l := RateLimit{Wait: retryafter.Parse(resp.Header, now), Limit: -1, Remaining: -1}
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} {
		if n, ok := leadingNumber(resp.Header.Get(prefix + "Limit")); ok {
			l.Limit = n
		}
		if n, ok := leadingNumber(resp.Header.Get(prefix + "Remaining")); ok {
			l.Remaining = n
		}
		if n, ok := leadingNumber(resp.Header.Get(prefix + "Reset")); ok {
			l.Reset = untilReset(n, now)
		}
	}
	for part := range strings.SplitSeq(resp.Header.Get("RateLimit"), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, ok := leadingNumber(value)
		switch {
		case !ok:
		case name == "r":
			l.Remaining = n
		case name == "t":
			l.Reset = untilReset(n, now)
		}
	}
	if policy := resp.Header.Get("RateLimit-Policy"); l.Limit < 0 {
		if _, quota, ok := strings.Cut(policy, ";q="); ok {
			if n, ok := leadingNumber(quota); ok {
				l.Limit = n
			}
		}
	}
	if l == (RateLimit{Limit: -1, Remaining: -1}) {
		return nil
	}
	return &l
}

// leadingNumber reads the digits that a value begins with.
func leadingNumber(s string) (int, bool) {
	s = strings.TrimSpace(s)
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(s[:end])
	return n, err == nil
}

// untilReset takes a number that cannot be a number of seconds, since it is
// more than ten years of them, for a time of Unix.
func untilReset(n int, now time.Time) time.Duration {
	if n > 10*365*24*60*60 {
		return max(time.Unix(int64(n), 0).Sub(now).Round(time.Second), 0)
	}
	return time.Duration(n) * time.Second
}
