package acr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// tokenUser is the user name beside an identity token, as az acr login writes
// it. Files of docker and podman want one.
const tokenUser = "00000000-0000-0000-0000-000000000000"

// Exchange has the registry at host exchange accessToken, a token of Microsoft
// Entra ID whose audience is https://containerregistry.azure.net or the cloud's
// resource manager, for a credential. Host is a login server, "contoso.azurecr.io".
// The credential holds an identity token, ends at its Expires, and is for this
// host alone. Of opts, TenantID and Transport are used; nil is the zero value.
//
// A host that is no login server is an error and is not asked. An error that
// matches auth.ErrUnauthorized or auth.ErrDenied is the registry's refusal; it
// is an *auth.Error. The access token goes to the host and nowhere else: a
// redirect is an error.
func Exchange(ctx context.Context, host string, accessToken auth.Secret, opts *Options) (auth.Credential, error) {
	p, err := newProvider(opts)
	if err != nil {
		return auth.Credential{}, err
	}
	if own, ok := p.opts.Transport.(*http.Transport); ok && (opts == nil || opts.Transport == nil) {
		defer own.CloseIdleConnections()
	}
	r, err := auth.ParseResource(host)
	if err != nil {
		return auth.Credential{}, fmt.Errorf("exchange a token of Entra ID: %w", err)
	}
	name, _, why := matchHost(r.Host)
	switch {
	case why != "":
		return auth.Credential{}, fmt.Errorf("exchange a token of Entra ID: %s: %s", r.Host, why)
	case !isToken(accessToken.Reveal()):
		return auth.Credential{}, errors.New("exchange a token of Entra ID: what was given is no token")
	}
	origin := auth.Origin{Kind: "Azure access token", Key: name}
	return p.exchange(ctx, r.Host, name, identity{token: accessToken.Reveal(), tenant: p.opts.TenantID, origin: origin})
}

// exchange asks the registry name, at host, for its refresh token.
func (p *provider) exchange(ctx context.Context, host, name string, who identity) (auth.Credential, error) {
	form := url.Values{"grant_type": {"access_token"}, "service": {name}, "access_token": {who.token}}
	if who.tenant != "" {
		form.Set("tenant", who.tenant)
	}
	asked := time.Now() // before the request, so that its time on the way does not count as life
	ask := call{who: "the token exchange", url: "https://" + name + "/oauth2/exchange", form: form}
	body, err := ask.do(ctx, p.opts.Transport)
	var answer struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err == nil && (json.Unmarshal(body, &answer) != nil || !isToken(answer.RefreshToken)) {
		err = ask.failed("answers without a refresh token", nil)
	}
	if err != nil {
		return auth.Credential{}, blame(err, host, who.origin, exchangeHint(err))
	}
	return auth.Credential{
		Username:      tokenUser,
		IdentityToken: auth.NewSecret(answer.RefreshToken),
		Expires:       asked.Add(lifeOf(answer.RefreshToken, asked)),
		Origin:        who.origin,
	}, nil
}

func exchangeHint(err error) string {
	e, _ := errors.AsType[*auth.Error](err)
	switch {
	case e == nil:
		return ""
	case e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusForbidden:
		return "give the identity a role on the registry, such as AcrPull, and look whether its network rules let this machine in"
	case e.StatusCode == 0:
		return "look at the registry's name, and at the network between here and there"
	}
	return ""
}

// blame says in an error of a call which registry it was for and whose
// identity was used.
func blame(err error, host string, origin auth.Origin, hint string) error {
	if e, ok := errors.AsType[*auth.Error](err); ok {
		e.Resource, e.Origin = auth.Resource{Host: host}, origin
		if e.Hint == "" {
			e.Hint = hint
		}
	}
	return err
}

// isToken tells whether s can be a token: printable ASCII without spaces.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' })
}
