package ecr

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// defaultSession names a role's session where nobody else has. It is seen in
// AWS CloudTrail.
const defaultSession = "portolan"

// webRole is a role that is taken on with a token of an OIDC provider: what
// EKS gives the service accounts of pods, and GitHub Actions its jobs.
type webRole struct{ file, arn, session, region string }

func (p *provider) fromWebIdentity(registryRegion string) source {
	role := webRole{
		file: p.getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), arn: p.getenv("AWS_ROLE_ARN"),
		session: p.getenv("AWS_ROLE_SESSION_NAME"), region: p.stsRegion("", registryRegion),
	}
	s := source{name: "web identity"}
	if role.file == "" {
		s.why = "AWS_WEB_IDENTITY_TOKEN_FILE is not set"
		return s
	}
	return p.assuming(s, role)
}

// assuming makes s a source that takes on the role.
func (p *provider) assuming(s source, role webRole) source {
	s.key = strings.Join([]string{"web identity", role.file, role.arn, role.session, role.region}, "\x00")
	s.keys = func(ctx context.Context) (identity, error) {
		if role.arn == "" {
			return identity{}, misconfigured(s.name, "there is a token file and no role", "set AWS_ROLE_ARN, or role_arn in the profile")
		}
		return p.assume(ctx, s.name, role)
	}
	return s
}

// stsRegion is the region whose STS is asked. Any will do for any registry of
// the same partition.
func (p *provider) stsRegion(profile, registry string) string {
	for _, region := range []string{p.opts.Region, p.getenv("AWS_REGION"), p.getenv("AWS_DEFAULT_REGION"), profile} {
		if region != "" {
			return region
		}
	}
	return registry
}

// assume calls AssumeRoleWithWebIdentity (AWS STS API reference, 2011-06-15),
// which is not signed: the token is what proves who asks.
func (p *provider) assume(ctx context.Context, where string, role webRole) (identity, error) {
	if !regionName.MatchString(role.region) {
		return identity{}, misconfigured(where, "its region is not the name of one", "set AWS_REGION to one such as eu-west-1")
	}
	token, err := readToken(role.file)
	if err != nil {
		return identity{}, misconfigured(where, "the web identity token cannot be read: "+err.Error(), "check AWS_WEB_IDENTITY_TOKEN_FILE, or web_identity_token_file in the profile")
	}
	endpoint, err := p.endpoint(p.opts.STSEndpoint, "STS", "sts."+role.region+"."+partitionOf(role.region).suffix)
	if err != nil {
		return identity{}, err
	}
	if role.session == "" {
		role.session = defaultSession
	}
	form := url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"},
		"RoleArn": {role.arn}, "RoleSessionName": {role.session}, "WebIdentityToken": {token},
	}.Encode()
	ask := call(func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		}
		return req, err
	})
	answer, err := ask.do(ctx, p.aws())
	from := "role " + role.arn
	if err != nil {
		return identity{}, failed(ctx, "asking AWS STS for the "+from+" failed", auth.Origin{}, err)
	}
	if answer.status != http.StatusOK {
		return identity{}, p.refused(answer, "AWS STS did not give the "+from, auth.Origin{}, "let the role's trust policy accept this service account")
	}
	who, err := parseRole(from, answer.body, p.now())
	if err != nil {
		return identity{}, failed(ctx, "AWS STS's answer cannot be used", auth.Origin{}, err)
	}
	return who, nil
}

func parseRole(from string, body []byte, now time.Time) (identity, error) {
	var a struct {
		XMLName     xml.Name `xml:"AssumeRoleWithWebIdentityResponse"`
		Credentials struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      time.Time
		} `xml:"AssumeRoleWithWebIdentityResult>Credentials"`
	}
	if err := xml.Unmarshal(body, &a); err != nil {
		return identity{}, errors.New("it is not the XML of one")
	}
	c := a.Credentials
	return temporary(from, c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Expiration, now)
}
