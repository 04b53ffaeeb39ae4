package ecr

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/portolan-oci/portolan/auth"
)

const (
	metadataV4 = "http://169.254.169.254"
	metadataV6 = "http://[fd00:ec2::254]"

	metadataSession = "/latest/api/token"
	metadataRoles   = "/latest/meta-data/iam/security-credentials/"
	sessionHeader   = "X-aws-ec2-metadata-token"
	// sessionSeconds is how long the session with the metadata service lives:
	// as long as the two requests need that are made in it.
	sessionSeconds = "60"
)

// roleName is what IAM calls roles. It becomes a part of a URL.
var roleName = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{1,128}$`)

// fromInstance asks the metadata service of an EC2 instance, version 2 of its
// protocol only: version 1 gives the role to whoever can make this machine
// send a GET (EC2 user guide, "Use the Instance Metadata Service").
func (p *provider) fromInstance() source {
	s := source{name: "instance metadata"}
	if strings.EqualFold(p.getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		s.why = "AWS_EC2_METADATA_DISABLED is set"
		return s
	}
	base, chosen := metadataV4, false
	if strings.EqualFold(p.getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "IPv6") {
		base = metadataV6
	}
	if text := p.getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"); text != "" {
		base, chosen = strings.TrimRight(text, "/"), true
	}
	s.key = "instance\x00" + base
	s.keys = func(ctx context.Context) (identity, error) {
		if u, err := url.Parse(base); err != nil || u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return identity{}, misconfigured(s.name, "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL of the form http://host", "")
		}
		return p.askInstance(ctx, base, chosen)
	}
	return s
}

func (p *provider) askInstance(ctx context.Context, base string, chosen bool) (identity, error) {
	session, err := p.openSession(ctx, base, chosen)
	if err != nil {
		return identity{}, err
	}
	role, err := p.roleOf(ctx, base, session)
	if err != nil {
		return identity{}, err
	}
	answer, err := p.metadata(ctx, http.MethodGet, base+metadataRoles+url.PathEscape(role), sessionHeader, session)
	if err != nil {
		return identity{}, failed(ctx, "asking the instance's metadata service failed", auth.Origin{}, err)
	}
	if answer.status != http.StatusOK {
		return identity{}, p.refused(answer, "the instance's metadata service did not give its role", auth.Origin{}, "")
	}
	var k containerKeys
	if json.Unmarshal(answer.body, &k) != nil {
		return identity{}, failed(ctx, "the instance's role cannot be used", auth.Origin{}, errors.New("the answer is not the JSON of one"))
	}
	if k.Code != "" && k.Code != "Success" {
		answer.code = ""
		if errorCode.MatchString(k.Code) {
			answer.code = k.Code
		}
		return identity{}, p.refused(answer, "the instance's metadata service did not give its role", auth.Origin{}, "check the instance profile and the role's trust policy")
	}
	who, err := temporary("instance role "+role, k.AccessKeyID, k.SecretAccessKey, k.Token, k.Expiration, p.now())
	if err != nil {
		return identity{}, failed(ctx, "the instance's role cannot be used", auth.Origin{}, err)
	}
	return who, nil
}

// openSession asks for what the other requests prove themselves with. Nobody at
// an address that was not chosen means that this is no EC2 instance.
func (p *provider) openSession(ctx context.Context, base string, chosen bool) (session string, err error) {
	answer, err := p.metadata(ctx, http.MethodPut, base+metadataSession, sessionHeader+"-ttl-seconds", sessionSeconds)
	switch {
	case err != nil && ctx.Err() == nil && isDial(err) && !chosen:
		return "", absent("there is no metadata service, so this is no EC2 instance")
	case err != nil && ctx.Err() == nil && isTimeout(err):
		return "", &auth.Error{Stage: auth.StageToken, Causes: []error{err},
			Message: "the instance's metadata service did not answer", Hint: "in a container, the instance's metadata hop limit must be 2 or more"}
	case err != nil:
		return "", failed(ctx, "asking the instance's metadata service failed", auth.Origin{}, err)
	case answer.status == http.StatusForbidden:
		return "", absent("the instance's metadata service is turned off")
	case answer.status != http.StatusOK:
		return "", p.refused(answer, "the instance's metadata service gave no session (IMDSv2)", auth.Origin{}, "")
	}
	return strings.TrimSpace(string(answer.body)), nil
}

// roleOf asks for the name of the instance's role.
func (p *provider) roleOf(ctx context.Context, base, session string) (role string, err error) {
	answer, err := p.metadata(ctx, http.MethodGet, base+metadataRoles, sessionHeader, session)
	switch {
	case err != nil:
		return "", failed(ctx, "asking the instance's metadata service failed", auth.Origin{}, err)
	case answer.status == http.StatusNotFound:
		return "", absent("the instance has no role")
	case answer.status != http.StatusOK:
		return "", p.refused(answer, "the instance's metadata service did not name a role", auth.Origin{}, "")
	}
	role, _, _ = strings.Cut(strings.TrimSpace(string(answer.body)), "\n")
	if role = strings.TrimSpace(role); !roleName.MatchString(role) {
		return "", failed(ctx, "the instance's role cannot be used", auth.Origin{}, errors.New("it has no proper name"))
	}
	return role, nil
}

// metadata makes one request with one header.
func (p *provider) metadata(ctx context.Context, method, target, name, value string) (answer, error) {
	ask := call(func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, method, target, nil)
		if err == nil {
			req.Header.Set(name, value)
		}
		return req, err
	})
	return ask.do(ctx, p.machine())
}
