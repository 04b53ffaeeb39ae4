package auth

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// tokenAnswer is a token server's answer.
type tokenAnswer struct {
	Token        string          `json:"token"`
	AccessToken  string          `json:"access_token"`
	RefreshToken string          `json:"refresh_token"` // see offlineToken
	ExpiresIn    json.RawMessage `json:"expires_in"`    // seconds; some servers send a string
	Scope        json.RawMessage `json:"scope"`         // what was granted, where the server says it
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

// granted reads which scopes the token carries (RFC 6749, section 5.1; GET
// answers of most servers do not say); nil where that is not known.
func (a *tokenAnswer) granted() []Scope {
	var list string
	if json.Unmarshal(a.Scope, &list) != nil {
		return nil
	}
	return parseScopes(list)
}

// refusalOf gives the sentinel for the codes of an answer that holds an error
// in place of a token.
func refusalOf(codes []string) error {
	for _, c := range codes {
		switch strings.ToLower(c) {
		case "unauthorized", "invalid_grant", "invalid_client", "unauthorized_client":
			return ErrUnauthorized
		case "denied", "access_denied", "invalid_scope":
			return ErrDenied
		}
	}
	return nil
}
