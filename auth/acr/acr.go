package acr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// Options change where New finds an identity. The zero value is Azure's own
// environment. Nothing is read before a credential is asked for, and files and
// environment are read again each time.
type Options struct {
	// TenantID, ClientID and ClientSecret are used in place of the variables
	// AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET.
	TenantID, ClientID string
	ClientSecret       auth.Secret
	// FederatedTokenFile is used in place of AZURE_FEDERATED_TOKEN_FILE: a file
	// with a token of the platform, which the platform replaces.
	FederatedTokenFile string
	// AuthorityHost is used in place of AZURE_AUTHORITY_HOST: where Entra ID
	// answers, such as https://login.microsoftonline.com/. Without either, the
	// registry's domain says which cloud that is.
	AuthorityHost string
	// NoMetadata leaves the identity of the machine out, that of App Service and
	// Container Apps and that of the virtual machine: a controller that works
	// for others does not lend it to them.
	NoMetadata bool
	// Transport carries the requests to Entra ID and to the registry. nil is
	// one with Go's defaults, which uses the proxy of the environment.
	Transport http.RoundTripper
	// MetadataTransport carries the requests to the machine's own endpoints:
	// that of App Service and Container Apps, and the metadata service. nil is
	// one without a proxy.
	MetadataTransport http.RoundTripper
}

// New returns a provider for the login servers of Azure Container Registry:
// one label before azurecr.io, azurecr.cn or azurecr.us, and the regional
// endpoints below geo.azurecr.io. Any other host has no credential, and nothing
// is asked for it. Nil options are the zero value.
//
// The first identity that is configured is used, in the order of Azure's own
// libraries: client secret, workload identity, the managed identity of App
// Service and Container Apps, the managed identity of the machine. One that is
// configured and fails does not make room for the next: that would be somebody
// else. Without any, the error matches auth.ErrNoCredential.
//
// The credentials hold an identity token and an end, and are kept until
// shortly before it. The provider is safe for concurrent use, and implements
// auth.Renewer and auth.Explainer. Its errors are *auth.Error and hold no
// secret; New's own is for an AuthorityHost that is not an https address.
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
	p := &provider{}
	if opts != nil {
		p.opts = *opts
	}
	if p.opts.AuthorityHost != "" {
		if _, err := authority(p.opts.AuthorityHost); err != nil {
			return nil, fmt.Errorf("credentials of Azure: AuthorityHost: %w", err)
		}
	}
	if p.opts.Transport == nil {
		p.opts.Transport = newTransport()
	}
	if p.opts.MetadataTransport == nil {
		p.opts.MetadataTransport = newMetadataTransport()
	}
	p.sources = []source{&secretSource{p}, &workloadSource{p}}
	if !p.opts.NoMetadata {
		p.sources = append(p.sources, &appServiceSource{p}, &machineSource{provider: p, now: time.Now})
	}
	return p, nil
}

// provider finds the credential for one host, without keeping it.
type provider struct {
	opts    Options
	sources []source
}

// perHost keeps one credential for all repositories of a registry, and lets
// no other host near what is kept.
type perHost struct {
	*provider
	kept auth.Provider
}

// Credential implements auth.Provider.
func (p *perHost) Credential(ctx context.Context, r auth.Resource) (auth.Credential, error) {
	name, _, why := matchHost(r.Host)
	if why != "" {
		return auth.Credential{}, absent(why)
	}
	return p.kept.Credential(ctx, auth.Resource{Host: name})
}

// Renew implements auth.Renewer.
func (p *perHost) Renew(ctx context.Context, r auth.Resource, rejected auth.Credential) (auth.Credential, error) {
	name, _, why := matchHost(r.Host)
	if why != "" {
		return auth.Credential{}, absent(why)
	}
	return p.kept.(auth.Renewer).Renew(ctx, auth.Resource{Host: name}, rejected)
}

// Credential asks the first identity that is configured.
func (p *provider) Credential(ctx context.Context, r auth.Resource) (auth.Credential, error) {
	name, in, why := matchHost(r.Host)
	if why != "" {
		return auth.Credential{}, absent(why)
	}
	for _, s := range p.sources {
		c, err := p.ask(ctx, s, r.Host, name, in)
		if _, none := errors.AsType[absent](err); !none {
			return c, err
		}
	}
	return auth.Credential{}, absent("no identity of Azure is configured, and the machine has none")
}

func (p *provider) ask(ctx context.Context, s source, host, name string, in cloud) (auth.Credential, error) {
	who, err := s.identity(ctx, in)
	if who.origin = s.origin(); err != nil {
		return auth.Credential{}, blame(err, host, who.origin, "")
	}
	who.origin.Key = name
	return p.exchange(ctx, host, name, who)
}

// Explain implements auth.Explainer: a finding for each identity in the order
// in which they are looked for, and one for a host that is not Azure's.
func (p *provider) Explain(ctx context.Context, r auth.Resource) []auth.Finding {
	name, in, why := matchHost(r.Host)
	if why != "" {
		return []auth.Finding{{Origin: auth.Origin{Kind: "Azure"}, Outcome: auth.OutcomeNone, Reason: why}}
	}
	var findings []auth.Finding
	failed := false
	for _, s := range p.sources {
		f := auth.Finding{Origin: s.origin(), Outcome: auth.OutcomeShadowed, Reason: "an identity before it is configured, and fails"}
		if !failed {
			c, err := p.ask(ctx, s, r.Host, name, in)
			f = findingOf(f.Origin, c, err)
		}
		failed = failed || f.Outcome == auth.OutcomeFailed
		findings = append(findings, f)
	}
	return findings
}

func findingOf(origin auth.Origin, c auth.Credential, err error) auth.Finding {
	why, none := errors.AsType[absent](err)
	switch {
	case none:
		return auth.Finding{Origin: origin, Outcome: auth.OutcomeNone, Reason: string(why)}
	case err != nil:
		return auth.Finding{Origin: origin, Outcome: auth.OutcomeFailed, Reason: err.Error(), Err: err}
	}
	return auth.Finding{Origin: c.Origin, Outcome: auth.OutcomeAnswers, Kind: "identity token", Username: c.Username, Expires: c.Expires}
}

// absent is the reason why there is no credential. It matches
// auth.ErrNoCredential.
type absent string

func (a absent) Error() string        { return auth.ErrNoCredential.Error() + ": " + string(a) }
func (a absent) Is(target error) bool { return target == auth.ErrNoCredential }

// authority reads the address of Entra ID.
func authority(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return "", errors.New("it is not an https address of a host alone, such as https://login.microsoftonline.com/")
	}
	return "https://" + u.Host, nil
}
