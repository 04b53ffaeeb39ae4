package acr

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"

	"github.com/portolan-oci/portolan/auth"
)

// source is one kind of identity.
type source interface {
	origin() auth.Origin
	// identity returns a token of Entra ID for registries. An absent error
	// means that this kind is not configured here.
	identity(ctx context.Context, in cloud) (identity, error)
}

// identity is a token of Entra ID and whose it is.
type identity struct {
	token  string
	tenant string // may be empty
	origin auth.Origin
}

// maxTokenFile bounds a projected token: they have some 2 KiB.
const maxTokenFile = 64 << 10

// tenantID is a GUID or a domain of the tenant. It becomes a part of a path.
var tenantID = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$`)

func (p *provider) tenant() string   { return cmp.Or(p.opts.TenantID, os.Getenv("AZURE_TENANT_ID")) }
func (p *provider) clientID() string { return cmp.Or(p.opts.ClientID, os.Getenv("AZURE_CLIENT_ID")) }

func (p *provider) clientSecret() string {
	return cmp.Or(p.opts.ClientSecret.Reveal(), os.Getenv("AZURE_CLIENT_SECRET"))
}

func (p *provider) tokenFile() string {
	return cmp.Or(p.opts.FederatedTokenFile, os.Getenv("AZURE_FEDERATED_TOKEN_FILE"))
}

// secretSource is an application with a client secret.
type secretSource struct{ *provider }

func (s *secretSource) origin() auth.Origin {
	return auth.Origin{Kind: "Azure client secret", Location: s.clientID()}
}

func (s *secretSource) identity(ctx context.Context, in cloud) (identity, error) {
	secret := s.clientSecret()
	switch {
	case secret == "":
		return identity{}, absent("AZURE_CLIENT_SECRET is not set")
	case s.tenant() == "" || s.clientID() == "":
		return identity{}, incomplete("AZURE_CLIENT_SECRET")
	}
	return s.signIn(ctx, in, url.Values{"client_secret": {secret}})
}

// workloadSource is an application that trusts a token of the platform, such
// as that of a Kubernetes service account.
type workloadSource struct{ *provider }

func (s *workloadSource) origin() auth.Origin {
	return auth.Origin{Kind: "Azure workload identity", Location: s.clientID()}
}

func (s *workloadSource) identity(ctx context.Context, in cloud) (identity, error) {
	file := s.tokenFile()
	switch {
	case file == "":
		return identity{}, absent("AZURE_FEDERATED_TOKEN_FILE is not set")
	case s.tenant() == "" || s.clientID() == "":
		return identity{}, incomplete("AZURE_FEDERATED_TOKEN_FILE")
	}
	token, err := readToken(file)
	if err != nil {
		return identity{}, &auth.Error{Stage: auth.StageToken, Message: "the federated token cannot be read", Causes: []error{err}}
	}
	return s.signIn(ctx, in, url.Values{
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, // RFC 7523, section 2.2
		"client_assertion":      {token},
	})
}

// incomplete is a failure: who has begun to say who he is does not want to be
// somebody else.
func incomplete(given string) error {
	return &auth.Error{
		Stage: auth.StageToken, Message: given + " is given, and AZURE_TENANT_ID or AZURE_CLIENT_ID is not",
		Hint: "give all three, or none",
	}
}

func readToken(file string) (string, error) {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s: it is not a regular file", file) // a pipe would be waited on
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return "", err
	}
	token := string(bytes.TrimSpace(content))
	if len(content) > maxTokenFile || !isToken(token) {
		return "", fmt.Errorf("%s: it holds no token", file)
	}
	return token, nil
}

// signIn asks Entra ID for a token of the application, with the client
// credentials grant (RFC 6749, section 4.4).
func (p *provider) signIn(ctx context.Context, in cloud, proof url.Values) (identity, error) {
	ask := call{who: "Entra ID", form: url.Values{
		"grant_type": {"client_credentials"}, "client_id": {p.clientID()}, "scope": {audience + "/.default"},
	}}
	at, err := authority(cmp.Or(p.opts.AuthorityHost, os.Getenv("AZURE_AUTHORITY_HOST"), in.authority))
	tenant := p.tenant()
	switch {
	case err != nil:
		return identity{}, ask.failed("is not asked: AZURE_AUTHORITY_HOST", err)
	case !tenantID.MatchString(tenant):
		return identity{}, ask.failed("is not asked: AZURE_TENANT_ID is neither a GUID nor a domain", nil)
	}
	ask.who, ask.url = "Entra ID at "+at, at+"/"+tenant+"/oauth2/v2.0/token"
	for name, values := range proof {
		ask.form[name] = values
	}
	body, err := ask.do(ctx, p.opts.Transport)
	if err != nil {
		if e, ok := errors.AsType[*auth.Error](err); ok && e.StatusCode/100 == 4 {
			e.Hint = "look up its AADSTS number; the secret may have ended, or the application not trust the token's issuer and subject"
		}
		return identity{}, err
	}
	token, err := ask.accessToken(body)
	return identity{token: token, tenant: tenant}, err
}

// accessToken reads the token out of an answer of Entra ID or of a managed
// identity's endpoint.
func (c call) accessToken(body []byte) (string, error) {
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal(body, &answer) != nil || !isToken(answer.AccessToken) {
		return "", c.failed("answers without an access token", nil)
	}
	return answer.AccessToken, nil
}
