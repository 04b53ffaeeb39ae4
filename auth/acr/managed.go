package acr

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// appServiceSource is the managed identity of App Service, Functions and
// Container Apps ("REST endpoint reference" of their documentation).
type appServiceSource struct{ *provider }

func (s *appServiceSource) origin() auth.Origin {
	return auth.Origin{Kind: "Azure App Service identity", Location: s.clientID()}
}

func (s *appServiceSource) identity(ctx context.Context, _ cloud) (identity, error) {
	endpoint, header := os.Getenv("IDENTITY_ENDPOINT"), os.Getenv("IDENTITY_HEADER")
	if endpoint == "" {
		return identity{}, absent("IDENTITY_ENDPOINT is not set")
	}
	ask := call{who: "the identity endpoint of the app", header: map[string]string{"X-IDENTITY-HEADER": header}}
	u, err := url.Parse(endpoint)
	switch {
	case os.Getenv("IDENTITY_SERVER_THUMBPRINT") != "" || header == "":
		return identity{}, ask.failed("is not asked: it is one of Service Fabric or Azure Arc, whose protocols are not supported; use a helper program, or a client secret", nil)
	case err != nil || u.User != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && onMachine(u.Hostname())):
		return identity{}, ask.failed("is not asked: IDENTITY_ENDPOINT is neither an https address nor one of the machine itself", nil)
	}
	ask.url = s.withQuery(u, "2019-08-01")
	body, err := ask.do(ctx, s.opts.MetadataTransport)
	if err != nil {
		return identity{}, err
	}
	token, err := ask.accessToken(body)
	return identity{token: token, tenant: s.tenant()}, err
}

// onMachine accepts the addresses at which an endpoint is the machine's own:
// loopback and link-local.
func onMachine(hostname string) bool {
	addr, err := netip.ParseAddr(hostname)
	return hostname == "localhost" || err == nil && (addr.Unmap().IsLoopback() || addr.Unmap().IsLinkLocalUnicast())
}

func (p *provider) withQuery(u *url.URL, version string) string {
	asked := *u
	q := asked.Query()
	q.Set("api-version", version)
	q.Set("resource", audience)
	if id := p.clientID(); id != "" {
		q.Set("client_id", id)
	}
	asked.RawQuery, asked.Fragment = q.Encode(), ""
	return asked.String()
}

const (
	// metadataEndpoint is that of the Instance Metadata Service; it is the same
	// on every machine and has no TLS.
	metadataEndpoint = "http://169.254.169.254/metadata/identity/oauth2/token"
	// probeTimeout is for a machine that is not in Azure, where nobody answers.
	probeTimeout = time.Second
	// absenceTTL is how long it is believed that nobody does.
	absenceTTL = 2 * time.Minute
)

// machineSource is the managed identity of a virtual machine, from the
// Instance Metadata Service.
type machineSource struct {
	*provider
	now func() time.Time

	mu          sync.Mutex
	absentUntil time.Time
}

func (s *machineSource) origin() auth.Origin {
	return auth.Origin{Kind: "Azure managed identity", Location: s.clientID()}
}

func (s *machineSource) identity(ctx context.Context, _ cloud) (identity, error) {
	if err := s.probe(ctx); err != nil {
		return identity{}, err
	}
	u, err := url.Parse(metadataEndpoint)
	if err != nil {
		return identity{}, err
	}
	ask := call{
		who: "the Instance Metadata Service", url: s.withQuery(u, "2018-02-01"), header: map[string]string{"Metadata": "true"},
		retry: []int{http.StatusNotFound, http.StatusGone}, // while it is updated, says its documentation
	}
	body, err := ask.do(ctx, s.opts.MetadataTransport)
	if e, ok := errors.AsType[*auth.Error](err); ok && e.StatusCode == http.StatusBadRequest {
		if s.clientID() == "" {
			return identity{}, absent("the machine has no managed identity, or several; AZURE_CLIENT_ID says which")
		}
		e.Hint = "assign the identity of AZURE_CLIENT_ID to the machine"
	}
	if err != nil {
		return identity{}, err
	}
	token, err := ask.accessToken(body)
	return identity{token: token, tenant: s.tenant()}, err
}

// probe finds out whether there is a metadata service at all. It asks without
// the header that the service insists on, so that the answer is a refusal, at
// once. What is not there is not looked for again for a while.
func (s *machineSource) probe(ctx context.Context) error {
	const nobody = absent("the machine has no Instance Metadata Service")
	s.mu.Lock()
	known := s.now().Before(s.absentUntil)
	s.mu.Unlock()
	if known {
		return nobody
	}
	limited, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	resp, err := (call{url: metadataEndpoint}).send(limited, s.opts.MetadataTransport)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.absentUntil = s.now().Add(absenceTTL)
		return nobody
	}
	// The connection serves the question that follows.
	_, _ = io.CopyN(io.Discard, resp.Body, maxErrorAnswer)
	return resp.Body.Close()
}
