package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/portolan-oci/portolan/internal/redact"
)

// probe is one question to a registry whether it takes a credential.
type probe struct {
	resource   Resource
	credential Credential
	opts       *LoginOptions
	offline    offlineToken
}

// ask asks once, with a signer of its own: a login shares no token with anyone.
// The answer tells whether the registry wanted a credential at all.
func (p *probe) ask(ctx context.Context) (wanted bool, err error) {
	c := p.credential
	c.Origin = Origin{Kind: "this login"}
	so := p.opts.Signer
	so.Provider = Static(Resource{Host: p.resource.Host}, c)
	so.RetryAnonymous = false // it is the credential that is asked about
	signer, err := NewSigner(&so)
	if err != nil {
		return false, err
	}
	defer signer.closeIdle()
	signer.offline = &p.offline
	transport := p.opts.Transport
	if transport == nil {
		own := newTokenTransport(http.ProxyFromEnvironment)(nil)
		defer own.(*http.Transport).CloseIdleConnections()
		transport = own
	}
	req, err := p.request(ctx)
	if err != nil {
		return false, err
	}
	hint := Hint{Resource: p.resource}
	if p.resource.Path != "" {
		hint.Scopes = []Scope{RepositoryScope(p.resource.Path, "pull")}
	}
	resp, err := signer.Do(req, hint, asking(transport.RoundTrip))
	if err != nil {
		if _, ours := errors.AsType[*Error](err); ours || ctx.Err() != nil {
			return false, err
		}
		return false, &Error{Resource: p.resource, Stage: StageRegistry, Message: "the registry cannot be reached", Causes: []error{redact.ErrorHiding(err, c.spellings())}}
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBody)) // lets the connection be closed in order
	if err := p.judge(resp); err != nil {
		return false, err
	}
	return signer.schemes.find(originOf(req.URL), "", false) != nil, nil
}

func (p *probe) request(ctx context.Context) (*http.Request, error) {
	scheme := "https"
	if p.opts.PlainHTTP {
		scheme = "http"
	}
	// The slash at the end matters: OCI distribution spec 1.1, end-1.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+p.resource.APIHost()+"/v2/", nil)
	if err != nil {
		return nil, fmt.Errorf("log in to %s: %w", p.resource, redact.Error(err))
	}
	if agent := p.opts.Signer.UserAgent; agent != "" {
		req.Header.Set("User-Agent", agent)
	}
	return req, nil
}

// judge refuses what does not answer as a registry does.
func (p *probe) judge(resp *http.Response) error {
	e := &Error{Resource: p.resource, Stage: StageRegistry, StatusCode: resp.StatusCode}
	if resp.StatusCode != http.StatusOK {
		e.Message = fmt.Sprintf("/v2/ is answered by %s, which is not how a registry answers", statusText(resp.StatusCode))
		e.Hint = "check the host's name and port"
		if p.opts.PlainHTTP && resp.StatusCode == http.StatusBadRequest {
			e.Hint += ", and whether it speaks TLS: it was asked in plain HTTP"
		}
		return e
	}
	if mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); mediaType == "text/html" {
		e.Message = "/v2/ is answered by an HTML page, not as a registry answers: a login page of the network, a proxy, or a wrong host name"
		return e
	}
	return nil
}

// asking makes the answer of a registry that lets everybody in, and says how it
// would ask, that question: zot with a policy for anonymous users answers 200
// with a challenge, and judges a credential that it is given.
func asking(send func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		resp, err := send(req)
		if err != nil || resp.StatusCode != http.StatusOK || req.Header.Get("Authorization") != "" {
			return resp, err
		}
		if _, answerable := chooseChallenge(parseChallenges(resp.Header)); answerable {
			resp.StatusCode, resp.Status = http.StatusUnauthorized, "401 Unauthorized"
		}
		return resp, nil
	}
}
