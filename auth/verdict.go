package auth

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

func (x *exchange) verdict(resp *http.Response, body []byte, sig *signature) error {
	e := x.newError(StageRegistry, resp, body)
	var c Credential
	var causes []error
	if found := x.found; found != nil {
		c, causes = found.credential, found.causes
	}
	switch {
	case sig != nil && sig.token != nil:
		e.Message += sig.token.shown()
		if c.IsZero() {
			e.Message += ", and there is no credential for it"
		}
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

// shown tells what a rejected token was for. A token server may grant less
// than it is asked for, and few say so: the registry's 403 is then all that
// shows it.
func (t *token) shown() string {
	switch {
	case len(t.scopes) == 0:
		return ""
	case t.granted != nil && !containsAll(t.granted, t.scopes):
		granted := shownScopes(t.granted)
		return fmt.Sprintf(", to a token for which %s was asked and %s granted", shownScopes(t.scopes), cmp.Or(granted, "nothing"))
	}
	return fmt.Sprintf(", to a token for which %s was asked", shownScopes(t.scopes))
}

// maxShownScopes is room for two repositories with long names, in bytes.
const maxShownScopes = 400

func shownScopes(scopes []Scope) string {
	text := strings.Join(scopeStrings(scopes), " ")
	if len(text) > maxShownScopes {
		text = text[:maxShownScopes] + "…" // scopes are ASCII
	}
	return text
}
