package ecr

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// Options say where the AWS identity comes from and how AWS is reached. The
// zero value is what AWS's own tools do in the same environment.
type Options struct {
	// Profile names a profile of the shared files, which then goes before
	// keys and web identities of the environment. Empty: AWS_PROFILE, then
	// AWS_DEFAULT_PROFILE, then "default", after them.
	Profile string
	// Region is the one whose STS is asked, "eu-west-1". Empty: AWS_REGION,
	// then AWS_DEFAULT_REGION, then the profile's, then that of the registry.
	// The region of the registry itself is always read from its host.
	Region string
	// Endpoint is the https:// URL of the API of the private registries, such
	// as the DNS name of a VPC endpoint. Empty: AWS_ENDPOINT_URL_ECR, then
	// AWS_ENDPOINT_URL, then Amazon's for the registry's host. The public
	// registry's is taken from AWS_ENDPOINT_URL_ECR_PUBLIC and
	// AWS_ENDPOINT_URL alone.
	Endpoint string
	// STSEndpoint is the https:// URL of STS. Empty: AWS_ENDPOINT_URL_STS,
	// then AWS_ENDPOINT_URL, then Amazon's for the region.
	STSEndpoint string
	// HTTPClient reaches ECR, STS and https:// container endpoints. Nil: one
	// with the system's roots and the proxies of the process's environment.
	// It is copied, and its copy keeps no cookies and follows no redirects.
	// Credential endpoints of the machine itself are never asked through it.
	HTTPClient *http.Client
	// Getenv reads the environment, at each look-up: AWS's variables and HOME
	// (USERPROFILE on Windows), where the shared files are. Nil: os.Getenv.
	Getenv func(string) string
}

// New returns a provider for the hosts of Amazon ECR, private and public. For
// any other host it has no credential (auth.ErrNoCredential) and asks nobody.
//
// It keeps tokens, one per host and up to their end, and is an auth.Renewer
// and an auth.Explainer. A look-up takes 30 s at most. It is safe for
// concurrent use. A nil opts is the zero
// value; New fails where an option cannot be used, and reads nothing yet.
//
// Where no AWS identity is configured the error matches auth.ErrNoCredential.
// Any other failure is an [auth.Error], with AWS's own code in its Codes, that
// matches auth.ErrDenied where the identity may not have tokens,
// auth.ErrUnauthorized where AWS does not accept it, and auth.ErrConfigInvalid
// where the environment or a file is wrong.
func New(opts *Options) (auth.Provider, error) {
	p, err := newProvider(opts)
	if err != nil {
		return nil, err
	}
	cached, err := auth.Cached(p, &auth.CacheOptions{TTL: lifetime})
	if err != nil {
		return nil, err
	}
	return byHost{cached}, nil
}

func newProvider(opts *Options) (*provider, error) {
	p := &provider{getenv: os.Getenv, now: time.Now, turn: make(chan struct{}, 1), local: localClient(), aws: awsClient()}
	if opts != nil {
		p.opts = *opts
	}
	if p.opts.Getenv != nil {
		p.getenv = p.opts.Getenv
	}
	if c := p.opts.HTTPClient; c != nil {
		p.aws = &http.Client{Transport: c.Transport, Timeout: c.Timeout, CheckRedirect: noRedirect}
	}
	if p.opts.Region != "" && !regionName.MatchString(p.opts.Region) {
		return nil, errors.New("ecr options: the Region is not the name of one; give one such as eu-west-1")
	}
	for name, text := range map[string]string{"Endpoint": p.opts.Endpoint, "STSEndpoint": p.opts.STSEndpoint} {
		if text == "" {
			continue
		}
		if _, err := parseEndpoint(text); err != nil {
			return nil, errors.New("ecr options: the " + name + " " + err.Error())
		}
	}
	return p, nil
}

// provider asks anew each time, but for the keys of a role.
type provider struct {
	opts   Options
	getenv func(string) string
	now    func() time.Time
	aws    *http.Client // over https, to AWS
	local  *http.Client // to the machine's own endpoints
	turn   chan struct{}
	kept   kept
}

// Credential implements auth.Provider.
func (p *provider) Credential(ctx context.Context, r auth.Resource) (auth.Credential, error) {
	reg, ok := parseHost(r.Host)
	if !ok {
		return auth.Credential{}, auth.ErrNoCredential
	}
	for _, s := range p.sources(reg.region) {
		if s.absent == "" {
			return p.from(ctx, r, reg, s)
		}
	}
	return auth.Credential{}, auth.ErrNoCredential
}

// from gets a token with the identity of one source.
func (p *provider) from(ctx context.Context, r auth.Resource, reg registry, s source) (auth.Credential, error) {
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

// Explain implements auth.Explainer: a finding for each place where an AWS
// identity can be, up to the one that decides.
func (p *provider) Explain(ctx context.Context, r auth.Resource) []auth.Finding {
	reg, ok := parseHost(r.Host)
	if !ok {
		return []auth.Finding{{Origin: origin("ECR", ""), Outcome: auth.OutcomeNone, Reason: "it is no host of Amazon ECR"}}
	}
	var findings []auth.Finding
	for _, s := range p.sources(reg.region) {
		f := auth.Finding{Origin: origin(s.name, ""), Outcome: auth.OutcomeNone, Reason: s.absent}
		if s.absent != "" {
			findings = append(findings, f)
			continue
		}
		c, err := p.from(ctx, r, reg, s)
		switch e, _ := errors.AsType[*auth.Error](err); {
		case err == nil:
			f = auth.Finding{Origin: c.Origin, Outcome: auth.OutcomeAnswers, Kind: "password", Username: c.Username, Expires: c.Expires}
		case errors.Is(err, auth.ErrNoCredential):
			f.Reason = reasonOf(err)
		default:
			if e != nil && e.Origin != (auth.Origin{}) {
				f.Origin = e.Origin
			}
			f.Outcome, f.Reason, f.Err = auth.OutcomeFailed, err.Error(), err
		}
		return append(findings, f)
	}
	return findings
}

// byHost asks for the whole host, whatever the path: ECR's tokens know no
// repositories, and one for each would be one call for each.
type byHost struct{ auth.Provider }

// Credential implements auth.Provider.
func (b byHost) Credential(ctx context.Context, r auth.Resource) (auth.Credential, error) {
	return b.Provider.Credential(ctx, auth.Resource{Host: r.Host})
}

// Renew implements auth.Renewer.
func (b byHost) Renew(ctx context.Context, r auth.Resource, rejected auth.Credential) (auth.Credential, error) {
	r.Path = ""
	if k, ok := b.Provider.(auth.Renewer); ok {
		return k.Renew(ctx, r, rejected)
	}
	return b.Provider.Credential(ctx, r)
}

// Explain implements auth.Explainer.
func (b byHost) Explain(ctx context.Context, r auth.Resource) []auth.Finding {
	if e, ok := b.Provider.(auth.Explainer); ok {
		return e.Explain(ctx, auth.Resource{Host: r.Host})
	}
	return nil
}

// origin is where an identity was found.
func origin(from, key string) auth.Origin { return auth.Origin{Kind: "AWS", Location: from, Key: key} }
