package gar

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

const (
	// assertionLife is the longest that Google accepts.
	assertionLife = time.Hour
	// clockSkew dates an assertion back, for a clock that is a little ahead.
	clockSkew = 10 * time.Second
)

// serviceAccount exchanges a token that the account's key has signed for one
// of Google (RFC 7523, section 2.1).
func (p *provider) serviceAccount(ctx context.Context, f *credentialsFile) (auth.Credential, error) {
	at, err := googleEndpoint(cmp.Or(f.TokenURI, defaultTokenURL))
	if err != nil {
		return auth.Credential{}, err
	}
	asked := time.Now() // before the request, so that its time on the way does not count as life
	assertion, err := sign(f, at, asked)
	if err != nil {
		return auth.Credential{}, err
	}
	return p.ask(ctx, asked, "the key may be deleted or the account disabled, or this machine's clock be wrong", call{
		url: at, form: url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}},
	})
}

// sign makes the assertion of a service account (RFC 7515, compact form).
func sign(f *credentialsFile, audience string, now time.Time) (string, error) {
	key, err := privateKey(f.PrivateKey)
	if err != nil || f.ClientEmail == "" {
		return "", unusable("has no private RSA key, or no client_email")
	}
	issued := now.Add(-clockSkew)
	header := struct {
		Algorithm string `json:"alg"`
		Type      string `json:"typ"`
		KeyID     string `json:"kid,omitempty"`
	}{"RS256", "JWT", f.PrivateKeyID}
	claims := struct {
		Issuer   string `json:"iss"`
		Scope    string `json:"scope"`
		Audience string `json:"aud"`
		Issued   int64  `json:"iat"`
		Expires  int64  `json:"exp"`
	}{f.ClientEmail, scope, audience, issued.Unix(), issued.Add(assertionLife).Unix()}
	var parts [2]string
	for i, part := range []any{header, claims} {
		text, err := json.Marshal(part)
		if err != nil {
			return "", err
		}
		parts[i] = base64.RawURLEncoding.EncodeToString(text)
	}
	text := parts[0] + "." + parts[1]
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", unusable("has a private key that cannot sign")
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

var errNoKey = errors.New("no RSA key")

func privateKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errNoKey
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errNoKey
	}
	return key, nil
}

// user asks with the refresh token that gcloud has stored (RFC 6749, section 6).
func (p *provider) user(ctx context.Context, f *credentialsFile) (auth.Credential, error) {
	at, err := googleEndpoint(cmp.Or(f.TokenURI, defaultTokenURL))
	switch {
	case err != nil:
		return auth.Credential{}, err
	case f.RefreshToken == "" || f.ClientID == "":
		return auth.Credential{}, unusable("has no refresh_token, or no client_id")
	}
	return p.ask(ctx, time.Now(), "log in again with gcloud auth application-default login", call{url: at, form: url.Values{
		"grant_type": {"refresh_token"}, "client_id": {f.ClientID}, "client_secret": {f.ClientSecret}, "refresh_token": {f.RefreshToken},
	}})
}

// ask asks a token endpoint. The hint is for a refusal.
func (p *provider) ask(ctx context.Context, asked time.Time, hint string, c call) (auth.Credential, error) {
	c.who = "the token endpoint of Google"
	a, err := c.do(ctx, p.opts.Transport)
	if err != nil {
		if e, ok := errors.AsType[*auth.Error](err); ok && e.StatusCode/100 == 4 {
			e.Hint = hint
		}
		return auth.Credential{}, err
	}
	return c.accessToken(a.body, asked)
}

// accessToken reads the answer of a token endpoint (RFC 6749, section 5.1), to
// a question that was asked at a time.
func (c call) accessToken(body []byte, asked time.Time) (auth.Credential, error) {
	var answer struct {
		AccessToken string          `json:"access_token"`
		ExpiresIn   json.RawMessage `json:"expires_in"` // seconds
	}
	if json.Unmarshal(body, &answer) != nil || !isToken(answer.AccessToken) {
		return auth.Credential{}, c.failed("answers without an access token", nil)
	}
	return tokenCredential(answer.AccessToken, asked.Add(lifeOf(answer.ExpiresIn))), nil
}

func tokenCredential(token string, expires time.Time) auth.Credential {
	return auth.Credential{Username: tokenUser, Password: auth.NewSecret(token), Expires: expires}
}

func lifeOf(expiresIn []byte) time.Duration {
	seconds, err := strconv.ParseFloat(strings.Trim(string(expiresIn), `"`), 64)
	if err != nil || !(seconds > 0) {
		return unknownLife
	}
	return time.Duration(min(seconds, maxLife.Seconds()) * float64(time.Second))
}

// isToken tells whether s can be a token: printable ASCII without spaces.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' })
}
