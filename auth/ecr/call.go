package ecr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

const (
	// lookupTimeout bounds a look-up with all its calls and retries.
	lookupTimeout = 30 * time.Second
	// awsTimeout bounds one try at a service of AWS, which answers within
	// a second.
	awsTimeout = 8 * time.Second
	// awsTries are made at a service of AWS that is busy or out of reach.
	awsTries = 3
	// Services on the machine itself answer at once, or are not there.
	machineTimeout = 2 * time.Second
	machineTries   = 2
	// firstWait is waited before the second try, and twice that before
	// the third, each with a random half of it more.
	firstWait = 200 * time.Millisecond

	// maxAnswer bounds an answer that is used. ECR says no size for its
	// tokens; they have some 3 KiB, and 128 KiB is what token servers of
	// registries may send too.
	maxAnswer = 128 << 10
	// maxErrorAnswer bounds what is read of an error, of which only the code is
	// used.
	maxErrorAnswer = 8 << 10
)

// newTransport is for endpoints on the Internet.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: awsTimeout,
		// Calls are hours apart.
		DisableKeepAlives: true,
	}
}

// answer is what a service has said.
type answer struct {
	status int
	header http.Header
	body   []byte
	code   string // AWS's own, of a failure
}

// peer is whom a call goes to: AWS, or the machine itself.
type peer struct {
	over    http.RoundTripper
	tries   int
	timeout time.Duration // of one try
	machine bool
}

func (p *provider) aws() peer {
	return peer{over: p.opts.Transport, tries: awsTries, timeout: awsTimeout}
}

func (p *provider) machine() peer {
	return peer{over: p.opts.MetadataTransport, tries: machineTries, timeout: machineTimeout, machine: true}
}

// call makes the request of one question, anew for each try: a signature has
// its time.
type call func() (*http.Request, error)

// do asks until there is an answer that is final.
func (c call) do(ctx context.Context, of peer) (answer, error) {
	for try := 1; ; try++ {
		a, err := c.once(ctx, of)
		nobody := of.machine && err != nil && isDial(err) // and nobody comes to listen there
		if try == of.tries || ctx.Err() != nil || nobody || !passes(a, err) {
			return a, err
		}
		wait := firstWait << (try - 1)
		select {
		case <-time.After(wait + rand.N(wait/2)):
		case <-ctx.Done():
			return answer{}, context.Cause(ctx)
		}
	}
}

func (c call) once(ctx context.Context, of peer) (answer, error) {
	req, err := c()
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, of.timeout)
	defer cancel()
	// A redirect would carry what the request proves to somebody else.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := (&http.Client{Transport: of.over, CheckRedirect: stay}).Do(req.WithContext(ctx))
	if err != nil {
		return answer{}, withoutURL(err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.status != http.StatusOK {
		// Where it breaks off, the status is still what counts.
		a.body, _ = io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer))
		a.code = failureCode(a.header, a.body)
		return a, nil
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return answer{}, withoutURL(err)
	case len(a.body) > maxAnswer:
		return answer{}, fmt.Errorf("%w %d bytes", errTooLong, maxAnswer)
	}
	return a, nil
}

var errTooLong = errors.New("its answer has more than")

// passes tells whether another try may go better.
func passes(a answer, err error) bool {
	if err != nil {
		return !errors.Is(err, errNotLocal) && !errors.Is(err, errTooLong) && !isTimeout(err) && !isTLS(err)
	}
	return a.status == http.StatusTooManyRequests || a.status >= 500 || slices.Contains(throttled, a.code)
}

// throttled are the codes with which AWS asks for another try.
var throttled = []string{
	"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
	"TooManyRequestsException", "RequestLimitExceeded", "SlowDown", "IDPCommunicationError",
}
