package registry

import "time"

// Retry bounds how failed requests are made again. The zero value is the
// default.
type Retry struct {
	// Attempts is how often one request is made at most, without any progress
	// between: a download that has gone on since the last failure starts to
	// count anew. Zero: 10. 1: nothing is tried again.
	Attempts int
	// Wait is how long the first pause is; each next one is twice as long, up
	// to 3 seconds, and differs by chance. Zero: 100 ms.
	Wait time.Duration
	// MaxWait is the longest that a server may ask to wait (Retry-After). When
	// it asks for more, or for more than is left to the context's deadline, the
	// operation ends at once with ErrRateLimited or ErrUnavailable and says how
	// long. Zero: 2 minutes.
	MaxWait time.Duration
}
