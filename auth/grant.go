package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/redact"
	"github.com/portolan-oci/portolan/internal/retryafter"
)

// The grants of a POST, as RFC 6749 names them, and what each proves with.
const (
	grantRefresh  = "refresh_token"
	grantPassword = "password"
)

// ask chooses the grant: a refresh token goes by POST, everything else by
// GET, which all token servers know. Where POST does not get a token, a
// password may all the same: a server without the OAuth 2 endpoint answers 404
// or 405 (helm#31222), and others 400 or 401, which is also how they reject a
// refresh token (containerd keeps the list: JFrog 401, Azure 400).
func (x *exchange) ask(ctx context.Context, r tokenRequest) (*tokenAnswer, error) {
	c := r.found.credential
	grant := ""
	switch {
	case !c.IdentityToken.IsZero():
		grant = grantRefresh
	case x.s.opts.PasswordGrant && c.hasPassword():
		grant = grantPassword
	default:
		return x.askWithGet(ctx, r)
	}
	answer, err := x.askWithPost(ctx, r, grant)
	var refused, e *Error
	if !errors.As(err, &refused) || !c.hasPassword() || !slices.Contains(postRefusals, refused.StatusCode) {
		return answer, err
	}
	answer, err = x.askWithGet(ctx, r)
	if errors.As(err, &e) {
		e.Causes = append(e.Causes, fmt.Errorf("before that it answered %s to %s", statusText(refused.StatusCode), grantNames[grant]))
	}
	return answer, err
}

// postRefusals are the answers to a POST after which GET is tried.
var postRefusals = []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest, http.StatusUnauthorized}

var grantNames = map[string]string{grantRefresh: "the identity token", grantPassword: "the password in a POST"}

func (x *exchange) askWithGet(ctx context.Context, r tokenRequest) (*tokenAnswer, error) {
	u := *r.realm
	q := u.Query()
	if r.key.service != "" {
		q.Set("service", r.key.service)
	}
	for _, s := range r.scopes {
		q.Add("scope", s.String())
	}
	x.s.offline.askWithGet(q, r.found.credential)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, x.tokenError(r, "cannot be asked", redact.Error(err))
	}
	if c := r.found.credential; c.hasPassword() {
		req.SetBasicAuth(c.Username, c.Password.Reveal())
	}
	return x.exchangeToken(req, r, "")
}

func (x *exchange) askWithPost(ctx context.Context, r tokenRequest, grant string) (*tokenAnswer, error) {
	c := r.found.credential
	form := url.Values{
		"grant_type": {grant},
		"service":    {r.key.service},
		"client_id":  {clientID},
	}
	switch grant {
	case grantRefresh:
		form.Set("refresh_token", c.IdentityToken.Reveal())
	case grantPassword:
		form.Set("username", c.Username)
		form.Set("password", c.Password.Reveal())
	}
	if len(r.scopes) > 0 {
		form.Set("scope", strings.Join(scopeStrings(r.scopes), " "))
	}
	x.s.offline.askWithPost(form)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.realm.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, x.tokenError(r, "cannot be asked", redact.Error(err))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return x.exchangeToken(req, r, grant)
}

// exchangeToken sends one request; the grant is empty for a GET.
func (x *exchange) exchangeToken(req *http.Request, r tokenRequest, grant string) (*tokenAnswer, error) {
	if x.s.opts.UserAgent != "" {
		req.Header.Set("User-Agent", x.s.opts.UserAgent)
	}
	secrets := r.found.credential.spellings()
	req = req.WithContext(redact.WithSecrets(req.Context(), secrets))
	client := &http.Client{Transport: x.s.transports[r.rule], CheckRedirect: stayAtRealm}
	resp, err := client.Do(req)
	if err != nil {
		e := x.tokenError(r, "cannot be reached", redact.ErrorHiding(err, secrets))
		if errors.Is(err, ErrRealmRefused) {
			e.Message, e.Err = fmt.Sprintf("the token server %s is not asked", r.realm.Host), ErrRealmRefused
		}
		return nil, e
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, x.tokenRefusal(resp, r, grant)
	}
	body, err := limit.ReadAll(resp.Body, maxTokenAnswer)
	if err != nil {
		return nil, x.tokenError(r, "breaks off its answer", redact.ErrorHiding(err, secrets))
	}
	answer := &tokenAnswer{}
	if json.Unmarshal(body, answer) != nil || answer.text() == "" {
		e := x.tokenError(r, "answers without a token", nil)
		e.StatusCode, e.Codes = resp.StatusCode, errorCodes(body)
		e.Err = refusalOf(e.Codes)
		return nil, e
	}
	x.s.offline.keep(answer.RefreshToken)
	return answer, nil
}

// stayAtRealm lets a GET follow redirects within its origin. A POST carries
// its secret in the body, which Go sends again after 307 and 308, so it
// follows none (GHSA-xc97-9f2f-9hrx of oras-go).
func stayAtRealm(req *http.Request, via []*http.Request) error {
	req.Header.Del("Referer")
	req.URL.User = nil // net/http would make a credential of it that nobody here has given
	if via[0].Method != http.MethodGet || originOf(req.URL) != originOf(via[0].URL) || len(via) >= 5 {
		return http.ErrUseLastResponse
	}
	return nil
}

// tokenRefusal reads an answer that is no token.
func (x *exchange) tokenRefusal(resp *http.Response, r tokenRequest, grant string) *Error {
	body := readErrorBody(resp)
	e := x.tokenError(r, "answered "+statusText(resp.StatusCode), nil)
	e.StatusCode, e.Codes, e.RetryAfter = resp.StatusCode, errorCodes(body), retryafter.Parse(resp.Header, x.s.now())
	e.Err = sentinelOf(resp.StatusCode)
	switch {
	case resp.StatusCode/100 == 3:
		e.Err, e.Hint = ErrRealmRefused, "credentials do not follow it: ask who runs the registry to name the token server directly"
		e.Message += ", a redirect that is not followed"
	case grant != "" && resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusTooManyRequests:
		// RFC 6749, section 5.2: a refresh token that is not valid is a 400.
		e.Err = cmp.Or(e.Err, ErrUnauthorized)
		e.Message += " to " + grantNames[grant]
	}
	return e
}
