package auth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
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

// token finds or fetches a token; fresh tells that this exchange has fetched it:
// one that others fetched may be used up, or revoked, by the time it is sent.
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
		fresh = true
		return x.fetch(ctx, r)
	})
	var e *Error
	if errors.As(err, &e) { // it may be that of others as well, who add to theirs
		own := *e
		own.Resource, own.Causes = x.resource, slices.Clip(e.Causes)
		err = &own
	}
	return t, fresh, err
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
	t := &token{
		key: r.key, scopes: r.scopes, granted: answer.granted(), text: NewSecret(answer.text()),
		born: asked, renew: asked.Add(life - min(30*time.Second, life/5)),
	}
	x.s.tokens.add(t, asked)
	x.s.log.DebugContext(ctx, "token", "resource", x.resource.String(), "server", r.realm.Host, "scopes", scopeStrings(r.scopes), "lifetime", life)
	return t, nil
}

func (x *exchange) tokenError(r tokenRequest, what string, cause error) *Error {
	e := &Error{Resource: x.resource, Stage: StageToken, Message: fmt.Sprintf("the token server %s %s", r.realm.Host, what)}
	if cause != nil {
		e.Causes = []error{cause}
		e.Hint = "try again, or look at the network between here and there"
	}
	return e
}
