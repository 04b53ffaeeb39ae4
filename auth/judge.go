package auth

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
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
		how = newScheme(asked, x.where.Load() == connInternal)
		x.s.schemes.learn(x.at, x.resource.Path, x.scopeless(), how)
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
	found, err := x.s.lookupAgain(ctx, x.resource, stale)
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
// no text to tell by, so there a token that was held for a while is renewed.
func (x *exchange) saysExpired(resp *http.Response, body []byte, sig *signature) bool {
	if x.req.Method == http.MethodHead {
		return sig.token != nil && x.s.now().Sub(sig.token.born) > minTokenLife
	}
	for _, c := range parseChallenges(resp.Header) {
		if c.params["error"] == "invalid_token" {
			return true
		}
	}
	text := strings.ToLower(string(body))
	return strings.Contains(text, "token") && (strings.Contains(text, "expired") || strings.Contains(text, "invalid token") || strings.Contains(text, "invalid_token") || strings.Contains(text, "token is invalid") || strings.Contains(text, "token invalid"))
}

func (x *exchange) verdict(resp *http.Response, body []byte, sig *signature) error {
	e := x.newError(StageRegistry, resp, body)
	var c Credential
	var causes []error
	if found := x.found; found != nil {
		c, causes = found.credential, found.causes
	}
	switch {
	case sig != nil:
	case !c.IsZero():
		e.Message += ", and what this credential holds does not answer the registry's challenge"
	case resp.StatusCode == http.StatusUnauthorized:
		if _, answerable := chooseChallenge(parseChallenges(resp.Header)); !answerable {
			e.Message += ", without a basic or bearer challenge that could be answered"
		} else {
			e.Message += ", and there is no credential for it"
		}
	}
	return e.blame(x.resource, c, causes)
}

func (x *exchange) bodyVerdict(resp *http.Response, body []byte, sig *signature) error {
	e := x.newError(StageChallenge, resp, body)
	e.Message += ", and the body of the request was used up and cannot be sent again"
	e.Hint = "repeat the operation, which will be signed from its first request on, or give a body that can be reopened"
	return e.blame(x.resource, x.found.credential, nil)
}

// foreignVerdict is for a redirect's target, which has not seen the credential
// and whose challenge is none of ours to answer.
func (x *exchange) foreignVerdict(resp *http.Response, body []byte) error {
	e := x.newError(StageRegistry, resp, body)
	e.Message = fmt.Sprintf("it redirected to %s, which answered %s", resp.Request.URL.Host, statusText(resp.StatusCode))
	e.Hint = "credentials do not follow a redirect to another host; if its link has expired, repeat the operation"
	return e
}

func (x *exchange) newError(stage Stage, resp *http.Response, body []byte) *Error {
	return &Error{
		Resource: x.resource, Stage: stage, StatusCode: resp.StatusCode, Codes: errorCodes(body),
		Message: statusText(resp.StatusCode), Err: cmp.Or(sentinelOf(resp.StatusCode), ErrUnauthorized),
	}
}

func (x *exchange) plaintextError(c Credential, host string) error {
	e := &Error{
		Resource: x.resource, Stage: StageChallenge, Err: ErrPlaintextRefused,
		Message: fmt.Sprintf("the credential would travel over plain HTTP to %s", host),
		Hint:    "use HTTPS, or allow plaintext credentials for this host",
	}
	return e.blame(x.resource, c, nil)
}

// errorCodes reads the codes of a distribution error (OCI distribution spec
// 1.1, "Error Codes") or of an OAuth 2 one (RFC 6749, section 5.2). Messages
// are left: a server may echo there what it was sent.
func errorCodes(body []byte) []string {
	var answer struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil
	}
	var oauth string
	json.Unmarshal(answer.Error, &oauth)
	codes := []string{oauth}
	for _, e := range answer.Errors {
		codes = append(codes, e.Code)
	}
	codes = slices.DeleteFunc(codes, func(c string) bool { return !isCode(c) })
	return codes[:min(len(codes), 8)]
}

func isCode(s string) bool {
	return s != "" && len(s) <= 40 && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_'
	})
}
