package gar

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

const (
	// tokenUser and keyUser are the user names that Google's registries define
	// for an access token and for a key file.
	tokenUser = "oauth2accesstoken"
	keyUser   = "_json_key"
	// scope lets a token do what the identity may do; Artifact Registry has
	// none of its own.
	scope = "https://www.googleapis.com/auth/cloud-platform"

	// unknownLife is for a token that does not say how long it lives: the
	// shortest in the field (workload identity).
	unknownLife = 5 * time.Minute
	maxLife     = 24 * time.Hour
)

// Options change where New finds an identity. The zero value is Google's own
// environment. Nothing is read before a credential is asked for, and files and
// environment are read again each time.
type Options struct {
	// CredentialsFile is used in place of GOOGLE_APPLICATION_CREDENTIALS.
	CredentialsFile string
	// KeyAsPassword sends the whole key file of a service account to the
	// registry, as the password of the user _json_key, in place of a token:
	// for a machine that reaches the registry alone. Such a credential has no
	// end, and whoever sees it once has it for good. It is then the only
	// source.
	KeyAsPassword bool
	// ServiceAccount is the e-mail address of one of the machine's service
	// accounts. Empty is its default one.
	ServiceAccount string
	// NoMetadata leaves the identity of the machine out, that of its metadata
	// server: a controller that works for others does not lend it to them. An
	// endpoint that a file names for a subject token is asked all the same.
	NoMetadata bool
	// Transport carries the requests to Google's token endpoints. nil is one
	// with Go's defaults, which uses the proxy of the environment.
	Transport http.RoundTripper
	// MetadataTransport carries the requests to the machine's own endpoints:
	// the metadata server, and one of it that a file names for a subject token.
	// nil is one without a proxy.
	MetadataTransport http.RoundTripper
}

// email is what a service account's address looks like. It becomes a part of
// a path.
var email = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,126}@[A-Za-z0-9][A-Za-z0-9.-]{0,126}$`)

// New returns a provider for LOCATION-docker.pkg.dev, gcr.io and LOCATION.gcr.io.
// Any other host has no credential, and nothing is asked for it. Nil options
// are the zero value.
//
// The first identity that is there is used, in the order of Application Default
// Credentials: the file that GOOGLE_APPLICATION_CREDENTIALS names, the file
// that gcloud auth application-default login writes, the service account of
// the machine (whose metadata server GCE_METADATA_HOST may name). One that is
// there and fails does not make room for the next: that would be somebody
// else. Without any, the error matches auth.ErrNoCredential. Files are of the
// types service_account, authorized_user, and external_account with a subject
// token from a file or a URL. For another type the error names a way.
//
// The credentials hold a password and an end, and are kept until shortly
// before it. The provider is safe for concurrent use, and implements
// auth.Renewer and auth.Explainer. Its errors are *auth.Error and hold no
// secret; New's own is for a ServiceAccount that is not an e-mail address.
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
	if a := p.opts.ServiceAccount; a != "" && !email.MatchString(a) {
		return nil, errors.New("credentials of Google: ServiceAccount is not an e-mail address")
	}
	if p.opts.Transport == nil {
		p.opts.Transport = newTransport()
	}
	if p.opts.MetadataTransport == nil {
		p.opts.MetadataTransport = newMetadataTransport()
	}
	switch {
	case p.opts.KeyAsPassword:
		p.sources = []source{&keySource{p}}
	default:
		p.sources = []source{
			&fileSource{p, "Google application credentials", p.namedFile},
			&fileSource{p, "login of gcloud", p.gcloudFile},
		}
		if !p.opts.NoMetadata {
			p.sources = append(p.sources, &machineSource{provider: p, now: time.Now})
		}
	}
	return p, nil
}

// source is one place where an identity may be. An absent error means that
// there is none.
type source interface {
	origin() auth.Origin
	credential(ctx context.Context) (auth.Credential, error)
}

// provider finds the credential for one host, without keeping it.
type provider struct {
	opts    Options
	sources []source
}

// perHost keeps one credential for all repositories of a host, and lets no
// other host near what is kept.
type perHost struct {
	*provider
	kept auth.Provider
}

const notOurs = absent("the host is not a registry of Google")

// Credential implements auth.Provider.
func (p *perHost) Credential(ctx context.Context, r auth.Resource) (auth.Credential, error) {
	name, ours := matchHost(r.Host)
	if !ours {
		return auth.Credential{}, notOurs
	}
	return p.kept.Credential(ctx, auth.Resource{Host: name})
}

// Renew implements auth.Renewer.
func (p *perHost) Renew(ctx context.Context, r auth.Resource, rejected auth.Credential) (auth.Credential, error) {
	name, ours := matchHost(r.Host)
	if !ours {
		return auth.Credential{}, notOurs
	}
	return p.kept.(auth.Renewer).Renew(ctx, auth.Resource{Host: name}, rejected)
}

// Credential asks the first identity that is there.
func (p *provider) Credential(ctx context.Context, r auth.Resource) (auth.Credential, error) {
	for _, s := range p.sources {
		c, err := ask(ctx, s, r.Host)
		if _, none := errors.AsType[absent](err); !none {
			return c, err
		}
	}
	return auth.Credential{}, absent("no identity of Google Cloud is configured, and the machine has none")
}

func ask(ctx context.Context, s source, host string) (auth.Credential, error) {
	c, err := s.credential(ctx)
	if err != nil {
		if e, ok := errors.AsType[*auth.Error](err); ok {
			e.Resource = auth.Resource{Host: host}
			if e.Origin == (auth.Origin{}) {
				e.Origin = s.origin()
			}
		}
		return auth.Credential{}, err
	}
	return c, nil
}

// Explain implements auth.Explainer: a finding for each place in the order in
// which an identity is looked for, and one for a host that is not Google's.
func (p *provider) Explain(ctx context.Context, r auth.Resource) []auth.Finding {
	if _, ours := matchHost(r.Host); !ours {
		return []auth.Finding{{Origin: auth.Origin{Kind: "Google"}, Outcome: auth.OutcomeNone, Reason: string(notOurs)}}
	}
	var findings []auth.Finding
	failed := false
	for _, s := range p.sources {
		f := auth.Finding{Origin: s.origin(), Outcome: auth.OutcomeShadowed, Reason: "an identity before it is there, and fails"}
		if !failed {
			c, err := ask(ctx, s, r.Host)
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
	return auth.Finding{Origin: c.Origin, Outcome: auth.OutcomeAnswers, Kind: "password", Username: c.Username, Expires: c.Expires}
}

// absent is the reason why there is no credential. It matches
// auth.ErrNoCredential.
type absent string

func (a absent) Error() string        { return auth.ErrNoCredential.Error() + ": " + string(a) }
func (a absent) Is(target error) bool { return target == auth.ErrNoCredential }

// unusable is the error for a file that is there and cannot be used.
func unusable(format string, args ...any) *auth.Error {
	return &auth.Error{Stage: auth.StageToken, Message: "the file of application credentials " + fmt.Sprintf(format, args...)}
}
