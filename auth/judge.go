package auth

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxErrorBody is what is read of an error's body: distribution registries
// send some hundred bytes, and a page of HTML has no codes to find.
const maxErrorBody = 8 << 10

// judge decides what a response means: nil and nil to hand it out as it is, a
// signature to send the request again with, or the error that ends it. It does
// not close the body.
func (x *exchange) judge(resp *http.Response, sig *signature) (*signature, error) {
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
	case http.StatusBadRequest: // public ECR's answer to an expired token (oras-go#1227)
		if sig == nil || sig.fresh {
			return nil, nil
		}
	default:
		return nil, nil
	}
	body := readErrorBody(resp)
	if resp.Request != nil && resp.Request.URL != nil && originOf(resp.Request.URL) != x.at {
		if resp.StatusCode == http.StatusBadRequest {
			return nil, restore(resp, body)
		}
		return nil, x.foreignVerdict(resp, body)
	}
	expired := sig != nil && x.saysExpired(resp, body, sig)
	if (resp.StatusCode == http.StatusUnauthorized || expired) && x.sends < maxSends {
		next, err := x.next(x.req.Context(), resp, sig)
		if err != nil {
			return nil, err
		}
		if next != nil {
			if !x.replayable() {
				return nil, x.bodyVerdict(resp, body, sig)
			}
			return next, nil
		}
	}
	if resp.StatusCode == http.StatusBadRequest {
		return nil, restore(resp, body)
	}
	return nil, x.verdict(resp, body, sig)
}

// readErrorBody reads what comes of an error's body in time; what came before
// an end, a fault or the deadline counts.
func readErrorBody(resp *http.Response) []byte {
	timer := time.AfterFunc(tokenTimeout, func() { resp.Body.Close() })
	defer timer.Stop()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	return body
}

// restore puts back what was read of a body.
func restore(resp *http.Response, read []byte) error {
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(read), resp.Body), resp.Body}
	return nil
}

// next makes the signature for another attempt, and nil where it would prove
// nothing that the rejected one has not.
func (x *exchange) next(ctx context.Context, resp *http.Response, sig *signature) (*signature, error) {
	var how *scheme
	asked, answerable := chooseChallenge(parseChallenges(resp.Header))
	switch {
	case resp.StatusCode == http.StatusUnauthorized && answerable:
		how = newScheme(asked, x.where.Load() == connInternal, x.resource.Path)
		// The newest first, since some servers read only one; those before it
		// stay, or a registry that asks for one at a time is never content.
		x.challenged = mergeScopes(how.scopes, x.challenged)
		how.scopes = x.challenged
		if !x.anonymous {
			x.s.schemes.learn(x.at, x.scopeless(), how)
		}
		if x.outdated != nil && x.outdated.scheme.answeredLike(how) {
			return nil, x.outdated.err
		}
	case sig != nil:
		how = sig.scheme
	default:
		return nil, nil
	}
	var stale *lookup
	if sig != nil {
		stale = sig.found
		if sig.token != nil {
			x.s.tokens.drop(sig.token)
		}
	}
	found, err := x.lookupAgain(ctx, stale)
	if err != nil {
		return nil, err
	}
	scopes := mergeScopes(how.scopes, x.hint.Scopes)
	if sig != nil && sig.found.who == found.who && sig.scheme.same(how) {
		if sig.token == nil || sig.fresh && containsAll(sig.scopes, scopes) {
			x.found = found
			return nil, nil
		}
	}
	return x.sign(ctx, how, found, scopes)
}

// saysExpired recognises the answers, other than a challenge, by which
// registries reject a token or a password that has ended: ECR sends 403
// (argo-cd#12554) and public ECR 400 (oras-go#1227). The answer to a HEAD has
// no text to tell by, so there what was held for a while is renewed.
func (x *exchange) saysExpired(resp *http.Response, body []byte, sig *signature) bool {
	if x.req.Method == http.MethodHead {
		since := sig.found.asked
		if sig.token != nil {
			since = sig.token.born
		}
		return x.s.now().Sub(since) > minTokenLife
	}
	for _, c := range parseChallenges(resp.Header) {
		if c.params["error"] == "invalid_token" {
			return true
		}
	}
	text := strings.ToLower(string(body))
	return strings.Contains(text, "token") && (strings.Contains(text, "expired") || strings.Contains(text, "invalid token") || strings.Contains(text, "invalid_token") || strings.Contains(text, "token is invalid") || strings.Contains(text, "token invalid"))
}
