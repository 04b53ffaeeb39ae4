package gar

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

const (
	// metadataHost is the same on every machine and has no TLS.
	metadataHost = "169.254.169.254"
	flavorHeader = "Metadata-Flavor"
	flavor       = "Google"
	// probeTimeout is for a machine that is not in Google Cloud, where nobody
	// answers.
	probeTimeout = time.Second
	// absenceTTL is how long it is believed that nobody does.
	absenceTTL = 2 * time.Minute
)

// machineSource is a service account of the machine, from its metadata server.
type machineSource struct {
	*provider
	now func() time.Time

	mu          sync.Mutex
	absentUntil time.Time
}

func (s *machineSource) origin() auth.Origin {
	host := cmp.Or(os.Getenv("GCE_METADATA_HOST"), metadataHost)
	return auth.Origin{Kind: "Google metadata server", Location: host, Key: cmp.Or(s.opts.ServiceAccount, "default")}
}

func (s *machineSource) credential(ctx context.Context) (auth.Credential, error) {
	origin := s.origin()
	u := &url.URL{Scheme: "http", Host: origin.Location}
	ask := call{who: "the metadata server", header: map[string]string{flavorHeader: flavor}}
	if check, err := url.Parse(u.String()); err != nil || check.Hostname() == "" {
		return auth.Credential{}, ask.failed("is not asked: GCE_METADATA_HOST is not a host or host:port", nil)
	}
	if os.Getenv("GCE_METADATA_HOST") == "" {
		if err := s.probe(ctx, u.String()); err != nil {
			return auth.Credential{}, err
		}
	}
	u.Path = "/computeMetadata/v1/instance/service-accounts/" + origin.Key + "/token"
	ask.url = u.String()
	asked := time.Now() // before the request, so that its time on the way does not count as life
	a, err := ask.do(ctx, s.opts.MetadataTransport)
	if e, ok := errors.AsType[*auth.Error](err); ok && e.StatusCode == http.StatusNotFound {
		if s.opts.ServiceAccount == "" {
			return auth.Credential{}, absent("the machine has no service account")
		}
		e.Hint = "attach the service account to the machine, or leave ServiceAccount empty"
	}
	if err != nil {
		return auth.Credential{}, err
	}
	if a.header.Get(flavorHeader) != flavor {
		return auth.Credential{}, ask.failed("is none of Google", nil)
	}
	c, err := ask.accessToken(a.body, asked)
	if err != nil {
		return auth.Credential{}, err
	}
	c.Origin = origin
	if origin.Key == "default" {
		c.Origin.Key = cmp.Or(s.account(ctx, strings.TrimSuffix(ask.url, "token")+"email"), origin.Key)
	}
	return c, nil
}

// account asks for the e-mail address of the default account: who is refused
// wants to know who that is. It goes without where there is no answer.
func (s *machineSource) account(ctx context.Context, at string) string {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	a, err := call{url: at, header: map[string]string{flavorHeader: flavor}}.once(ctx, s.opts.MetadataTransport)
	if err != nil {
		return ""
	}
	return shownEmail(strings.TrimSpace(string(a.body)))
}

// probe finds out whether the metadata server is there, and is Google's: other
// clouds have theirs at the same address. What is not there is not looked for
// again for a while.
func (s *machineSource) probe(ctx context.Context, at string) error {
	const nobody = absent("the machine has no metadata server of Google")
	s.mu.Lock()
	known := s.now().Before(s.absentUntil)
	s.mu.Unlock()
	if known {
		return nobody
	}
	limited, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	resp, err := call{url: at + "/", header: map[string]string{flavorHeader: flavor}}.send(limited, s.opts.MetadataTransport)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		// The connection serves the question that follows.
		_, _ = io.CopyN(io.Discard, resp.Body, maxErrorAnswer)
		resp.Body.Close()
	}
	if err != nil || resp.Header.Get(flavorHeader) != flavor {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.absentUntil = s.now().Add(absenceTTL)
		return nobody
	}
	return nil
}
