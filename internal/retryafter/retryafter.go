// Package retryafter reads how long a server wants to be left alone
// (Retry-After, RFC 9110 section 10.2.3).
package retryafter

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Parse reads the header in both its forms; zero: it is not there, or neither. A wait that does not fit a
// duration is one that nobody waits for.
func Parse(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, math.MaxInt64/float64(2*time.Second)) * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
