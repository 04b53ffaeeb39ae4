package gar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// subjectSource is where the token of another platform comes from ("Workload
// identity federation", credential configuration). Files and URLs serve what
// Kubernetes, GitHub Actions, GitLab and Azure hand out. AWS would need its
// signatures, and an executable is not started.
type subjectSource struct {
	File    string            `json:"file"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Format  struct {
		Type  string `json:"type"`
		Field string `json:"subject_token_field_name"`
	} `json:"format"`
	Environment string          `json:"environment_id"`
	Executable  json.RawMessage `json:"executable"`
	Certificate json.RawMessage `json:"certificate"`
}

// federated exchanges the token of another platform for one of Google (RFC
// 8693), and that for one of a service account where the file says so.
func (p *provider) federated(ctx context.Context, f *credentialsFile) (auth.Credential, error) {
	if f.WorkforceProject != "" || f.ClientID != "" {
		return auth.Credential{}, unsupported("for a workforce pool or with a client")
	}
	at, err := googleEndpoint(f.TokenURL)
	if err != nil {
		return auth.Credential{}, err
	}
	if f.ImpersonationURL != "" {
		if _, err := googleEndpoint(f.ImpersonationURL); err != nil {
			return auth.Credential{}, err
		}
	}
	subject, err := p.subjectToken(ctx, &f.Subject)
	if err != nil {
		return auth.Credential{}, err
	}
	c, err := p.ask(ctx, time.Now(), "look whether the pool's provider trusts the issuer, the audience and the subject of the token", call{url: at, form: url.Values{
		"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"audience":             {f.Audience},
		"scope":                {scope},
		"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		"subject_token_type":   {f.SubjectTokenType},
		"subject_token":        {subject},
	}})
	if err != nil || f.ImpersonationURL == "" {
		return c, err
	}
	return p.impersonate(ctx, f, c.Password.Reveal())
}

// impersonate asks for a token of a service account (IAM Service Account
// Credentials API, generateAccessToken).
func (p *provider) impersonate(ctx context.Context, f *credentialsFile, token string) (auth.Credential, error) {
	life := f.Impersonation.Lifetime
	if life <= 0 {
		life = 3600
	}
	ask := call{
		who: "the service account credentials API", url: f.ImpersonationURL, header: map[string]string{"Authorization": "Bearer " + token},
		json: map[string]any{"scope": []string{scope}, "lifetime": strconv.Itoa(life) + "s"},
	}
	asked := time.Now()
	a, err := ask.do(ctx, p.opts.Transport)
	if err != nil {
		if e, ok := errors.AsType[*auth.Error](err); ok && e.StatusCode/100 == 4 {
			e.Hint = "give the identity the role roles/iam.workloadIdentityUser on the service account"
		}
		return auth.Credential{}, err
	}
	var answer struct {
		AccessToken string `json:"accessToken"`
		ExpireTime  string `json:"expireTime"`
	}
	if json.Unmarshal(a.body, &answer) != nil || !isToken(answer.AccessToken) {
		return auth.Credential{}, ask.failed("answers without an access token", nil)
	}
	// It is a time of Google's clock; this machine's may be ahead.
	expires, err := time.Parse(time.RFC3339, answer.ExpireTime)
	if err != nil || !expires.After(asked) {
		expires = asked.Add(unknownLife)
	}
	if latest := asked.Add(maxLife); expires.After(latest) {
		expires = latest
	}
	return tokenCredential(answer.AccessToken, expires), nil
}

func (p *provider) subjectToken(ctx context.Context, s *subjectSource) (string, error) {
	var content []byte
	var err error
	switch {
	case s.Environment != "" || s.Executable != nil || s.Certificate != nil || (s.File == "") == (s.URL == ""):
		return "", unsupported("for a subject token that comes neither from a file nor from a URL")
	case s.File != "":
		if content, err = readFile(s.File); err != nil {
			e := unusable("names a subject token that cannot be read")
			e.Causes = []error{err}
			return "", e
		}
	default:
		if content, err = p.fetchSubject(ctx, s); err != nil {
			return "", err
		}
	}
	token, ok := s.parse(content)
	if !ok {
		return "", unusable("names a subject token that is none")
	}
	return token, nil
}

// fetchSubject asks the platform. Its own endpoints on the machine have no TLS.
func (p *provider) fetchSubject(ctx context.Context, s *subjectSource) ([]byte, error) {
	u, err := url.Parse(s.URL)
	var over http.RoundTripper
	switch {
	case err != nil || u.User != nil || u.Host == "":
	case onMachine(u.Hostname()) && (u.Scheme == "http" || u.Scheme == "https"):
		over = p.opts.MetadataTransport
	case u.Scheme == "https":
		over = p.opts.Transport
	}
	if over == nil {
		return nil, unusable("names a URL for the subject token that is neither https nor one of the machine itself")
	}
	ask := call{who: "the platform that issues the subject token", url: u.String(), header: s.Headers}
	a, err := ask.do(ctx, over)
	if err != nil {
		return nil, err
	}
	return a.body, nil
}

// onMachine accepts the addresses at which an endpoint is the machine's own:
// loopback and link-local.
func onMachine(hostname string) bool {
	addr, err := netip.ParseAddr(hostname)
	return hostname == "localhost" || err == nil && (addr.Unmap().IsLoopback() || addr.Unmap().IsLinkLocalUnicast())
}

// parse takes the token out of what a file or a URL holds.
func (s *subjectSource) parse(content []byte) (token string, ok bool) {
	switch s.Format.Type {
	case "", "text":
		token = string(bytes.TrimSpace(content))
	case "json":
		var fields map[string]json.RawMessage
		if json.Unmarshal(content, &fields) != nil || json.Unmarshal(fields[s.Format.Field], &token) != nil {
			return "", false
		}
		token = strings.TrimSpace(token)
	}
	return token, isToken(token)
}
