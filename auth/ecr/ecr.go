package ecr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// Options change where New finds an identity. The zero value is AWS's own
// environment. Nothing is read before a credential is asked for, and files and
// environment are read again each time.
type Options struct {
	// Profile is used in place of AWS_PROFILE and AWS_DEFAULT_PROFILE: the name
	// of a profile of the shared files. Unlike one of theirs it goes before the
	// keys and the web identity of the environment.
	Profile string
	// Region is used in place of AWS_REGION and AWS_DEFAULT_REGION: the one
	// whose STS is asked, such as eu-west-1. Without any, it is the profile's,
	// then that of the registry. The region of the registry itself is always
	// read from its host.
	Region string
	// Endpoint is used in place of AWS_ENDPOINT_URL_ECR and AWS_ENDPOINT_URL:
	// the https address of the API of the private registries, such as the DNS
	// name of a VPC endpoint. Without any, it is Amazon's for the registry's
	// host. The public registry's is taken from AWS_ENDPOINT_URL_ECR_PUBLIC
	// and AWS_ENDPOINT_URL alone.
	Endpoint string
	// STSEndpoint is used in place of AWS_ENDPOINT_URL_STS and
	// AWS_ENDPOINT_URL: the https address of STS. Without any, it is Amazon's
	// for the region.
	STSEndpoint string
	// NoMetadata leaves the identity of the machine out, that of the container
	// and that of the EC2 instance: a controller that works for others does not
	// lend it to them.
	NoMetadata bool
	// Transport carries the requests to ECR, to STS and to container endpoints
	// on https. nil is one with Go's defaults, which uses the proxy of the
	// environment.
	Transport http.RoundTripper
	// MetadataTransport carries the requests to the machine's own endpoints:
	// those of containers on plain http, and the metadata service. nil is one
	// without a proxy, which connects to loopback and to AWS's link-local
	// addresses alone. Another one is asked for these addresses, and for
	// localhost, alone.
	MetadataTransport http.RoundTripper
}

// New returns a provider for the hosts of Amazon ECR, private and public. Any
// other host has no credential, and nothing is asked for it. Nil options are
// the zero value.
//
// The first identity that is configured is used, in the order of AWS's own
// tools: access keys of the environment, web identity, the profile of the
// shared files, the container, the EC2 instance. One that is configured and
// fails does not make room for the next: that would be somebody else. Without
// any, the error matches auth.ErrNoCredential.
//
// The credentials hold a password and an end, and are kept until shortly
// before it. A look-up takes 30 s at most. The provider is safe for concurrent
// use, and implements auth.Renewer and auth.Explainer. Its errors are
// *auth.Error and hold no secret; AWS's own code is in their Codes. They match
// auth.ErrDenied where the identity may not have tokens, auth.ErrUnauthorized
// where AWS does not accept it, and auth.ErrConfigInvalid where the environment
// or a file is wrong. New's own is for a Region that is not the name of one,
// and for an endpoint that is not an https address.
func New(opts *Options) (auth.Provider, error) {
	p, err := newProvider(opts)
	if err != nil {
		return nil, err
	}
	// The credential's own end is what counts.
	kept, err := auth.Cached(p, &auth.CacheOptions{TTL: maxLife})
	if err != nil {
		return nil, err
	}
	return &perHost{provider: p, kept: kept}, nil
}

func newProvider(opts *Options) (*provider, error) {
	p := &provider{getenv: os.Getenv, now: time.Now, turn: make(chan struct{}, 1)}
	if opts != nil {
		p.opts = *opts
	}
	if p.opts.Region != "" && !regionName.MatchString(p.opts.Region) {
		return nil, errors.New("credentials of AWS: Region is not the name of one, such as eu-west-1")
	}
	for name, text := range map[string]string{"Endpoint": p.opts.Endpoint, "STSEndpoint": p.opts.STSEndpoint} {
		if text == "" {
			continue
		}
		if _, err := parseEndpoint(text); err != nil {
			return nil, fmt.Errorf("credentials of AWS: %s %w", name, err)
		}
	}
	if p.opts.Transport == nil {
		p.opts.Transport = newTransport()
	}
	if p.opts.MetadataTransport == nil {
		p.opts.MetadataTransport = newMetadataTransport()
	} else {
		p.opts.MetadataTransport = onMachine{p.opts.MetadataTransport}
	}
	return p, nil
}

// provider finds the credential for one host. It keeps the keys of a role, and
// no credential.
type provider struct {
	opts     Options
	getenv   func(string) string // another one in tests
	now      func() time.Time
	turn     chan struct{}
	roleKeys roleKeys
}

// perHost keeps one credential for all repositories of a registry, and lets no
// other host near what is kept.
type perHost struct {
	*provider
	kept auth.Provider
}

const notOurs = absent("the host is not a registry of Amazon ECR")

// Credential implements auth.Provider.
func (p *perHost) Credential(ctx context.Context, r auth.Resource) (auth.Credential, error) {
	name, _, ours := matchHost(r.Host)
	if !ours {
		return auth.Credential{}, notOurs
	}
	return p.kept.Credential(ctx, auth.Resource{Host: name})
}

// Renew implements auth.Renewer.
func (p *perHost) Renew(ctx context.Context, r auth.Resource, rejected auth.Credential) (auth.Credential, error) {
	name, _, ours := matchHost(r.Host)
	if !ours {
		return auth.Credential{}, notOurs
	}
	return p.kept.(auth.Renewer).Renew(ctx, auth.Resource{Host: name}, rejected)
}

// Credential asks the first identity that is configured.
func (p *provider) Credential(ctx context.Context, r auth.Resource) (auth.Credential, error) {
	_, reg, ours := matchHost(r.Host)
	if !ours {
		return auth.Credential{}, notOurs
	}
	for _, s := range p.sources(reg.region) {
		if s.why == "" {
			return p.ask(ctx, s, r, reg)
		}
	}
	return auth.Credential{}, absent("no identity of AWS is configured")
}

// ask gets a token with the identity of one source.
func (p *provider) ask(ctx context.Context, s source, r auth.Resource, reg registry) (auth.Credential, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookupTimeout,
		&auth.Error{Stage: auth.StageToken, Resource: auth.Resource{Host: r.Host}, Message: "no answer of AWS within " + lookupTimeout.String()})
	defer cancel()
	who, again, err := p.identify(ctx, s)
	if err != nil {
		return auth.Credential{}, about(r, err)
	}
	c, err := p.token(ctx, r, reg, who)
	if again && errors.Is(err, auth.ErrUnauthorized) {
		// The keys of a role end early when its sessions are revoked.
		p.forget(ctx, who)
		if who, _, err = p.identify(ctx, s); err == nil {
			c, err = p.token(ctx, r, reg, who)
		}
	}
	return c, about(r, err)
}

// about names the registry in an error that does not know it.
func about(r auth.Resource, err error) error {
	if e, ok := errors.AsType[*auth.Error](err); ok && e.Resource == (auth.Resource{}) {
		e.Resource = auth.Resource{Host: r.Host}
	}
	return err
}

// Explain implements auth.Explainer: a finding for each identity in the order
// in which they are looked for, up to the one that decides, and one for a host
// that is not Amazon's.
func (p *provider) Explain(ctx context.Context, r auth.Resource) []auth.Finding {
	_, reg, ours := matchHost(r.Host)
	if !ours {
		return []auth.Finding{{Origin: origin("", ""), Outcome: auth.OutcomeNone, Reason: string(notOurs)}}
	}
	var findings []auth.Finding
	for _, s := range p.sources(reg.region) {
		if s.why != "" {
			findings = append(findings, auth.Finding{Origin: origin(s.name, ""), Outcome: auth.OutcomeNone, Reason: string(s.why)})
			continue
		}
		c, err := p.ask(ctx, s, r, reg)
		return append(findings, findingOf(origin(s.name, ""), c, err))
	}
	return findings
}

func findingOf(origin auth.Origin, c auth.Credential, err error) auth.Finding {
	why, none := errors.AsType[absent](err)
	switch {
	case none:
		return auth.Finding{Origin: origin, Outcome: auth.OutcomeNone, Reason: string(why)}
	case err != nil:
		if e, ok := errors.AsType[*auth.Error](err); ok && e.Origin != (auth.Origin{}) {
			origin = e.Origin
		}
		return auth.Finding{Origin: origin, Outcome: auth.OutcomeFailed, Reason: err.Error(), Err: err}
	}
	return auth.Finding{Origin: c.Origin, Outcome: auth.OutcomeAnswers, Kind: "password", Username: c.Username, Expires: c.Expires}
}

// absent is the reason why there is no credential. It matches
// auth.ErrNoCredential.
type absent string

func (a absent) Error() string        { return auth.ErrNoCredential.Error() + ": " + string(a) }
func (a absent) Is(target error) bool { return target == auth.ErrNoCredential }

// origin is where an identity was found.
func origin(from, key string) auth.Origin { return auth.Origin{Kind: "AWS", Location: from, Key: key} }
