package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/portolan-oci/portolan/internal/limit"
)

// maxTokenFile bounds a token file: tokens travel in a header, of which
// servers take some 8 to 64 KiB.
const maxTokenFile = 64 << 10

// TokenKind says as what the text of a token file is used.
type TokenKind int

const (
	// TokenIdentity is an identity token, for the token server.
	TokenIdentity TokenKind = iota
	// TokenRegistry is a ready bearer token, for the registry.
	TokenRegistry
	// TokenPassword is the password of TokenFileOptions.Username.
	TokenPassword
)

// TokenFileOptions configures a TokenFile. The zero value is for a file that
// holds an identity token.
type TokenFileOptions struct {
	Kind TokenKind
	// Username goes with a password, which needs one; beside a token it is a
	// remark.
	Username string
}

// TokenFile is a Provider for a file that holds one token and that somebody
// else renews: a projected service account token of Kubernetes, the job token
// of a CI system, a secret that is mounted. It is read anew for each look-up,
// through symbolic links, which is how the kubelet replaces it. It is safe for
// concurrent use.
type TokenFile struct {
	resource Resource
	path     string
	opts     TokenFileOptions
}

// NewTokenFile answers with the token in the file at path for r and for what
// lies under r's path. White space around the token is dropped. The file need
// not exist yet. An r without a host, an empty path, an unknown kind, a
// password without a user name, and a user name that cannot be sent are errors.
func NewTokenFile(r Resource, path string, opts *TokenFileOptions) (*TokenFile, error) {
	f := &TokenFile{resource: r.canonical(), path: path}
	if opts != nil {
		f.opts = *opts
	}
	switch {
	case r.Host == "":
		return nil, errors.New("token file: no registry that it is for")
	case path == "":
		return nil, errors.New("token file: no path")
	case f.opts.Kind < TokenIdentity || f.opts.Kind > TokenPassword:
		return nil, fmt.Errorf("token file %s: unknown kind %d", path, f.opts.Kind)
	case f.opts.Kind == TokenPassword && f.opts.Username == "":
		return nil, fmt.Errorf("token file %s: a password needs a user name", path)
	}
	if err := checkUsername(f.opts.Username); err != nil {
		return nil, fmt.Errorf("token file %s: %w", path, err)
	}
	return f, nil
}

func (f *TokenFile) origin() Origin {
	return Origin{Kind: "token file", Location: f.path, Key: f.resource.String()}
}

// Credential implements Provider. Of a token that is a JWT (RFC 7519) the claim
// exp becomes Expires; that is a hint, since nobody has checked the signature.
// A file that is missing, that holds no token, more than 64 KiB, or anything
// but one line of text, and that is not regular gives an error that matches
// ErrConfigInvalid, and fs.ErrNotExist where that is the cause.
func (f *TokenFile) Credential(ctx context.Context, r Resource) (Credential, error) {
	if !f.resource.covers(r) {
		return Credential{}, ErrNoCredential
	}
	if ctx.Err() != nil {
		return Credential{}, context.Cause(ctx)
	}
	token, err := readToken(f.path, f.opts.Kind == TokenPassword)
	if err != nil {
		return Credential{}, tokenFileError(f.origin(), err)
	}
	c := Credential{Username: f.opts.Username, Expires: jwtExpiry(token), Origin: f.origin()}
	switch f.opts.Kind {
	case TokenIdentity:
		c.IdentityToken = NewSecret(token)
	case TokenRegistry:
		c.RegistryToken = NewSecret(token)
	case TokenPassword:
		c.Password = NewSecret(token)
	}
	return c, nil
}

// Explain implements Explainer.
func (f *TokenFile) Explain(ctx context.Context, r Resource) []Finding {
	if !f.resource.covers(r) {
		return []Finding{{Origin: f.origin(), Outcome: OutcomeNone, Reason: "it is for " + f.resource.String()}}
	}
	c, err := f.Credential(ctx, r)
	return []Finding{finding(f.origin(), c, err)}
}

// tokenFileError leaves the path to the origin.
func tokenFileError(origin Origin, err error) *Error {
	e := &Error{Stage: StageConfig, Origin: origin, Message: "it gives no token", Err: ErrConfigInvalid}
	var perr *fs.PathError
	if errors.As(err, &perr) {
		err = perr.Err
	}
	e.Causes = []error{err}
	return e
}

// readToken reads a file with one token. It must be regular: a look-up shall
// not wait on a pipe. No error repeats anything of the file.
func readToken(path string, spaces bool) (string, error) {
	file, err := openRegular(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	data, err := limit.ReadAll(file, maxTokenFile)
	if err != nil {
		return "", err
	}
	token := string(bytes.TrimSpace(data))
	switch {
	case token == "":
		return "", errors.New("it is empty")
	case !utf8.ValidString(token) || strings.ContainsFunc(token, unicode.IsControl):
		return "", errors.New("it holds more than one line of text")
	case !spaces && strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }):
		return "", errors.New("it holds characters that no token has")
	}
	return token, nil
}

// jwtExpiry reads the claim exp of a JWT; zero where there is none, and for
// what is no JWT.
func jwtExpiry(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return time.Time{}
	}
	var claims struct {
		Exp *float64 `json:"exp"` // seconds since 1970, which may have a fraction (RFC 7519, section 2)
	}
	// Beyond the year 9999 time.Time has no JSON, and no token has a use.
	if json.Unmarshal(payload, &claims) != nil || claims.Exp == nil || !(*claims.Exp > 0 && *claims.Exp < 253402300800) {
		return time.Time{}
	}
	return time.Unix(int64(math.Floor(*claims.Exp)), 0)
}
