package auth

import (
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Credential is what proves an identity to a registry. A credential may hold
// more than one kind of secret; the signer uses the registry token before the
// identity token before the password. The zero value is anonymous.
type Credential struct {
	// Username goes with Password. Beside a token it is a remark.
	Username string
	Password Secret
	// IdentityToken is an OAuth 2 refresh token, which the token server
	// exchanges for registry tokens.
	IdentityToken Secret
	// RegistryToken is a ready bearer token, sent to the registry as it is.
	RegistryToken Secret
	// Expires is when the credential ends; zero when that is not known.
	Expires time.Time
	// Origin is where the credential was found.
	Origin Origin
}

// IsZero tells whether the credential holds neither user name nor secret.
func (c Credential) IsZero() bool {
	return c.Username == "" && c.Password.IsZero() && c.IdentityToken.IsZero() && c.RegistryToken.IsZero()
}

// sameSecrets tells whether two credentials prove the same, wherever they
// were found.
func (c Credential) sameSecrets(o Credential) bool {
	return c.Username == o.Username && c.Password.Equal(o.Password) &&
		c.IdentityToken.Equal(o.IdentityToken) && c.RegistryToken.Equal(o.RegistryToken)
}

// kind names what the credential holds.
func (c Credential) kind() string {
	var kinds []string
	for _, k := range []struct {
		name   string
		secret Secret
	}{{"registry token", c.RegistryToken}, {"identity token", c.IdentityToken}, {"password", c.Password}} {
		if !k.secret.IsZero() {
			kinds = append(kinds, k.name)
		}
	}
	if len(kinds) == 0 {
		return "anonymous"
	}
	return strings.Join(kinds, " and ")
}

func (c Credential) hasPassword() bool { return c.Username != "" && !c.Password.IsZero() }

// check refuses what could not be stored or sent without changing its
// meaning. An empty user name beside a password makes docker refuse its whole
// configuration file (helm#30480).
func (c Credential) check() error {
	switch {
	case c.IsZero():
		return errors.New("the credential is empty")
	case c.Username == "" && !c.Password.IsZero():
		return errors.New("a password needs a user name")
	case c.Password.IsZero() && c.IdentityToken.IsZero() && c.RegistryToken.IsZero():
		return errors.New("a user name alone is no credential; give a password or a token")
	}
	return checkUsername(c.Username)
}

func checkUsername(name string) error {
	switch {
	case strings.Contains(name, ":"):
		// RFC 7617, section 2: everything after the first colon is password.
		return errors.New("a user name must not contain a colon")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("a user name must not contain control characters")
	}
	return nil
}

// Origin tells where a credential was found. It holds no secret.
type Origin struct {
	Kind     string // "docker config", "docker credential helper", "static", …
	Location string // the file or the program; may be empty
	Key      string // the key that matched there
}

// String prints kind, location and key: "docker config
// /home/u/.docker/config.json (ghcr.io)".
func (o Origin) String() string {
	s := o.Kind
	if o.Location != "" {
		s += " " + o.Location
	}
	if o.Key != "" {
		s += " (" + o.Key + ")"
	}
	return strings.TrimSpace(s)
}
