package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/redact"
	"github.com/portolan-oci/portolan/internal/retryafter"
)

const (
	tokenTimeout = 15 * time.Second
	// maxTokenAnswer bounds a token server's answer: tokens with many scopes
	// reach some 10 KiB, and an answer carries up to three.
	maxTokenAnswer = 128 << 10
	// minTokenLife is the lifetime of a token that states none or a shorter
	// one (distribution, token specification).
	minTokenLife = 60 * time.Second
	// maxTokenLife keeps a nonsensical lifetime from overflowing.
	maxTokenLife = 24 * time.Hour
	// clientID is a required parameter of the OAuth 2 grant; it names the
	// software and proves nothing.
	clientID = "portolan"
)

// fetchKey names one token request that many may be waiting for.
type fetchKey struct {
	tokenKey
	scopes string
}

// tokenRequest is one question to a token server.
type tokenRequest struct {
	key    tokenKey
	realm  *url.URL
	rule   dialRule
	scopes []Scope
	found  *lookup
}

// token finds or fetches a token; fresh tells that it did not lie in the cache.
func (x *exchange) token(ctx context.Context, how *scheme, found *lookup, scopes []Scope) (t *token, fresh bool, err error) {
	key := tokenKey{who: found.who, at: x.at, realm: how.realm, service: how.service}
	if t := x.s.tokens.find(key, scopes, x.s.now()); t != nil {
		return t, false, nil
	}
	realm, rule, err := x.s.checkRealm(x.at, x.where.Load() == connInternal, how.realm)
	if err != nil {
		e := &Error{
			Resource: x.resource, Stage: StageToken, Err: ErrRealmRefused, Message: err.Error(),
			Hint: "ask who runs the registry to name a proper token server",
		}
		return nil, false, e
	}
	if c := found.credential; !c.IsZero() && !x.s.mayCarrySecrets(originOf(realm)) {
		return nil, false, x.plaintextError(c, realm.Host)
	}
	r := tokenRequest{key: key, realm: realm, rule: rule, scopes: scopes, found: found}
	t, err = x.s.fetches.do(ctx, fetchKey{key, strings.Join(scopeStrings(scopes), " ")}, func(ctx context.Context) (*token, error) {
		// Another flight may have landed between the look and the take-off.
		if t := x.s.tokens.find(key, scopes, x.s.now()); t != nil {
			return t, nil
		}
		return x.fetch(ctx, r)
	})
	return t, true, err
}

func (x *exchange) fetch(ctx context.Context, r tokenRequest) (*token, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	asked := x.s.now() // before the request, so that its time on the way does not count as life
	answer, err := x.ask(ctx, r)
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			e.blame(x.resource, r.found.credential, r.found.causes)
		}
		return nil, err
	}
	life := answer.life()
	t := &token{key: r.key, scopes: r.scopes, text: NewSecret(answer.text()), born: asked, renew: asked.Add(life - min(30*time.Second, life/5))}
	x.s.tokens.add(t, asked)
	x.s.log.DebugContext(ctx, "token", "resource", x.resource.String(), "server", r.realm.Host, "scopes", scopeStrings(r.scopes), "lifetime", life)
	return t, nil
}

// ask chooses the grant: a refresh token goes by POST, everything else by
// GET, which all token servers know. A server without the OAuth 2 endpoint
// answers 404 or 405 (helm#31222), and then a password serves as well.
func (x *exchange) ask(ctx context.Context, r tokenRequest) (*tokenAnswer, error) {
	c := r.found.credential
	if c.IdentityToken.IsZero() {
		return x.askWithGet(ctx, r)
	}
	answer, err := x.askWithPost(ctx, r)
	var e *Error
	if errors.As(err, &e) && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed) && c.hasPassword() {
		return x.askWithGet(ctx, r)
	}
	return answer, err
}

func (x *exchange) askWithGet(ctx context.Context, r tokenRequest) (*tokenAnswer, error) {
	u := *r.realm
	q := u.Query()
	if r.key.service != "" {
		q.Set("service", r.key.service)
	}
	for _, s := range r.scopes {
		q.Add("scope", s.String())
	}
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, x.tokenError(r, "cannot be asked", redact.Error(err))
	}
	if c := r.found.credential; c.hasPassword() {
		req.SetBasicAuth(c.Username, c.Password.Reveal())
	}
	return x.exchangeToken(req, r)
}

func (x *exchange) askWithPost(ctx context.Context, r tokenRequest) (*tokenAnswer, error) {
	form := url.Values{
		"grant_type":    {"refresh_token"},
		"service":       {r.key.service},
		"client_id":     {clientID},
		"refresh_token": {r.found.credential.IdentityToken.Reveal()},
	}
	if len(r.scopes) > 0 {
		form.Set("scope", strings.Join(scopeStrings(r.scopes), " "))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.realm.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, x.tokenError(r, "cannot be asked", redact.Error(err))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return x.exchangeToken(req, r)
}

func (x *exchange) exchangeToken(req *http.Request, r tokenRequest) (*tokenAnswer, error) {
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
		return nil, x.tokenRefusal(req, resp, r)
	}
	body, err := limit.ReadAll(resp.Body, maxTokenAnswer)
	if err != nil {
		return nil, x.tokenError(r, "breaks off its answer", redact.ErrorHiding(err, secrets))
	}
	answer := &tokenAnswer{}
	if json.Unmarshal(body, answer) != nil || answer.text() == "" {
		return nil, x.tokenError(r, "answers without a token", nil)
	}
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
func (x *exchange) tokenRefusal(req *http.Request, resp *http.Response, r tokenRequest) *Error {
	body := readErrorBody(resp)
	e := x.tokenError(r, "answered "+statusText(resp.StatusCode), nil)
	e.StatusCode, e.Codes, e.RetryAfter = resp.StatusCode, errorCodes(body), retryafter.Parse(resp.Header, x.s.now())
	e.Err = sentinelOf(resp.StatusCode)
	switch {
	case resp.StatusCode/100 == 3:
		e.Err, e.Hint = ErrRealmRefused, "credentials do not follow it: ask who runs the registry to name the token server directly"
		e.Message += ", a redirect that is not followed"
	case req.Method == http.MethodPost && resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusTooManyRequests:
		// RFC 6749, section 5.2: a refresh token that is not valid is a 400.
		e.Err = cmp.Or(e.Err, ErrUnauthorized)
		e.Message += " to the identity token"
	}
	return e
}

func (x *exchange) tokenError(r tokenRequest, what string, cause error) *Error {
	e := &Error{Resource: x.resource, Stage: StageToken, Message: fmt.Sprintf("the token server %s %s", r.realm.Host, what)}
	if cause != nil {
		e.Causes = []error{cause}
		e.Hint = "try again, or look at the network between here and there"
	}
	return e
}

// tokenAnswer is a token server's answer. The refresh token that may be there
// is left alone: nobody asked for one.
type tokenAnswer struct {
	Token       string          `json:"token"`
	AccessToken string          `json:"access_token"`
	ExpiresIn   json.RawMessage `json:"expires_in"` // seconds; some servers send a string
}

func (a *tokenAnswer) text() string {
	text := cmp.Or(a.Token, a.AccessToken)
	if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return ""
	}
	return text
}

func (a *tokenAnswer) life() time.Duration {
	seconds, err := strconv.ParseFloat(strings.Trim(string(a.ExpiresIn), `"`), 64)
	if err != nil || !(seconds >= minTokenLife.Seconds()) {
		return minTokenLife
	}
	if seconds > maxTokenLife.Seconds() {
		return maxTokenLife
	}
	return time.Duration(seconds * float64(time.Second))
}
