package registrytest

import (
	"fmt"
	"net/http"
	"time"
)

// RetryAfter is the header of an answer that asks to come back after wait, in
// whole seconds (RFC 9110, Retry-After), for Faults.Header.
func RetryAfter(wait time.Duration) http.Header {
	return http.Header{"Retry-After": {fmt.Sprint(int(wait.Seconds()))}}
}

// RetryAt is RetryAfter in its other form, a date.
func RetryAt(at time.Time) http.Header {
	return http.Header{"Retry-After": {at.UTC().Format(http.TimeFormat)}}
}

// RateLimit is the headers that tell a limit in the form of
// draft-ietf-httpapi-ratelimit-headers-07: requests in a window, how many of
// them are left, and for how long.
func RateLimit(limit, remaining int, reset time.Duration) http.Header {
	return http.Header{
		"Ratelimit-Limit":     {fmt.Sprint(limit)},
		"Ratelimit-Remaining": {fmt.Sprint(remaining)},
		"Ratelimit-Reset":     {fmt.Sprint(int(reset.Seconds()))},
	}
}

// RateLimitHub is the same as Docker Hub says it: "100;w=21600" requests in a
// window in seconds.
func RateLimitHub(limit, remaining int, window time.Duration) http.Header {
	value := func(n int) []string { return []string{fmt.Sprintf("%d;w=%d", n, int(window.Seconds()))} }
	return http.Header{"Ratelimit-Limit": value(limit), "Ratelimit-Remaining": value(remaining)}
}

// RateLimitGitHub is the same as GitHub says it: reset is a point in time, in
// seconds since 1970.
func RateLimitGitHub(limit, remaining int, reset time.Time) http.Header {
	return http.Header{
		"X-Ratelimit-Limit":     {fmt.Sprint(limit)},
		"X-Ratelimit-Remaining": {fmt.Sprint(remaining)},
		"X-Ratelimit-Reset":     {fmt.Sprint(reset.Unix())},
	}
}
