package ecr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

const (
	// lookupTimeout bounds a look-up with all its calls and retries.
	lookupTimeout = 30 * time.Second
	// awsTimeout bounds one attempt at a service of AWS, which answers within
	// a second.
	awsTimeout = 8 * time.Second
	// awsAttempts are made at a service of AWS that is busy or out of reach.
	awsAttempts = 3
	// Services on the machine itself answer at once, or are not there.
	localConnect  = time.Second
	localTimeout  = 2 * time.Second
	localAttempts = 2
	// firstWait is waited before the second attempt, and twice that before
	// the third, each with a random half of it more.
	firstWait = 200 * time.Millisecond

	// maxAnswer bounds an answer that is used. ECR says no size for its
	// tokens; they have some 3 KiB, and 128 KiB is what token servers of
	// registries may send too.
	maxAnswer = 128 << 10
	// maxFailure bounds what is read of an error, of which only the code is
	// used.
	maxFailure = 8 << 10
)

// noRedirect keeps signed requests and web identity tokens where they were
// sent to.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func awsClient() *http.Client {
	return &http.Client{CheckRedirect: noRedirect, Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: awsTimeout,
		// Calls are hours apart.
		DisableKeepAlives: true,
	}}
}

// localClient reaches the endpoints on the machine itself, over plain HTTP and
// past any proxy, and nothing else, whatever a name resolves to.
func localClient() *http.Client {
	dialer := &net.Dialer{Timeout: localConnect, ControlContext: onlyLocal}
	return &http.Client{CheckRedirect: noRedirect, Transport: &http.Transport{
		DialContext: dialer.DialContext, DisableKeepAlives: true,
	}}
}

// localAddresses are those of the instance's metadata, of the container agent
// of ECS and of the EKS Pod Identity agent (AWS SDKs and tools reference guide,
// "Container credential provider" and "IMDS credential provider").
var localAddresses = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("169.254.170.2"),
	netip.MustParseAddr("169.254.170.23"), netip.MustParseAddr("fd00:ec2::23"),
}

var errNotLocal = errors.New("plain http goes to loopback and to AWS's link-local addresses only; use https")

func onlyLocal(_ context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return errNotLocal
	}
	if addr := at.Addr().Unmap().WithZone(""); !addr.IsLoopback() && !slices.Contains(localAddresses, addr) {
		return errNotLocal
	}
	return nil
}

// parseEndpoint reads the URL of a service. The error does not repeat it.
func parseEndpoint(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("is not a URL of the form https://host")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}

// endpoint chooses the URL of a service: the option, the variables, Amazon's.
func (p *provider) endpoint(option, suffix, host string) (string, error) {
	if option != "" {
		return parseEndpoint(option)
	}
	if p.getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") != "true" {
		for _, name := range []string{"AWS_ENDPOINT_URL_" + suffix, "AWS_ENDPOINT_URL"} {
			text := p.getenv(name)
			if text == "" {
				continue
			}
			found, err := parseEndpoint(text)
			if err != nil {
				return "", misconfigured("environment variables", name+" "+err.Error(), "")
			}
			return found, nil
		}
	}
	return "https://" + host + "/", nil
}

func (p *provider) ecrEndpoint(reg registry) (string, error) {
	if reg.public {
		return p.endpoint("", "ECR_PUBLIC", reg.endpoint)
	}
	return p.endpoint(p.opts.Endpoint, "ECR", reg.endpoint)
}

// answer is what a service has said.
type answer struct {
	status int
	header http.Header
	body   []byte
	code   string // AWS's own, of a failure
}

// send makes the request that build gives, some times over where the service
// is busy or out of reach.
func (p *provider) send(ctx context.Context, client *http.Client, attempts int, build func() (*http.Request, error)) (answer, error) {
	timeout, onMachine := awsTimeout, client == p.local
	if onMachine {
		timeout = localTimeout
	}
	for n := 1; ; n++ {
		a, err := attempt(ctx, client, timeout, build)
		absent := onMachine && err != nil && isDial(err) // nobody comes to listen there
		if n == attempts || ctx.Err() != nil || absent || !passing(a, err) {
			return a, err
		}
		wait := firstWait << (n - 1)
		select {
		case <-time.After(wait + rand.N(wait/2)):
		case <-ctx.Done():
			return answer{}, context.Cause(ctx)
		}
	}
}

func attempt(ctx context.Context, client *http.Client, timeout time.Duration, build func() (*http.Request, error)) (answer, error) {
	req, err := build()
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := client.Do(req.WithContext(ctx))
	if err != nil {
		return answer{}, bare(err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.status != http.StatusOK {
		// Where it breaks off, the status is still what counts.
		a.body, _ = io.ReadAll(io.LimitReader(resp.Body, maxFailure))
		a.code = failureCode(a.header, a.body)
		return a, nil
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return answer{}, bare(err)
	case len(a.body) > maxAnswer:
		return answer{}, fmt.Errorf("%w %d bytes", errTooLong, maxAnswer)
	}
	return a, nil
}

var errTooLong = errors.New("its answer has more than")

// passing tells whether another attempt may go better.
func passing(a answer, err error) bool {
	if err != nil {
		return !errors.Is(err, errNotLocal) && !errors.Is(err, errTooLong) && !isTimeout(err) && !isTLS(err)
	}
	return a.status == http.StatusTooManyRequests || a.status >= 500 || slices.Contains(throttled, a.code)
}

// throttled are the codes with which AWS asks for another attempt.
var throttled = []string{
	"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
	"TooManyRequestsException", "RequestLimitExceeded", "SlowDown", "IDPCommunicationError",
}
