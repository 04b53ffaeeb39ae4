package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// entryFields are what an entry of auths says about its credential; whatever
// else stands there is kept.
var entryFields = []string{"auth", "identitytoken", "registrytoken", "username", "password"}

type entry struct {
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
	Username      string `json:"username"`
	Password      string `json:"password"`
}

var errNotStrings = errors.New("the entry is not an object of strings")

// decodeEntry reads a credential. A zero one without an error is a marker, as
// docker leaves beside a helper. No error repeats anything of the entry.
func decodeEntry(raw json.RawMessage) (Credential, error) {
	var e entry
	if json.Unmarshal(raw, &e) != nil {
		return Credential{}, errNotStrings
	}
	user, password := e.Username, e.Password
	if e.Auth != "" {
		var err error
		user, password, err = decodeAuth(e.Auth)
		if err != nil && e.IdentityToken == "" && e.RegistryToken == "" {
			return Credential{}, err
		}
	}
	c := Credential{Username: user, Password: NewSecret(password), IdentityToken: NewSecret(e.IdentityToken), RegistryToken: NewSecret(e.RegistryToken)}
	if c.Password.IsZero() && c.IdentityToken.IsZero() && c.RegistryToken.IsZero() {
		return Credential{}, nil
	}
	if err := c.check(); err != nil {
		return Credential{}, err
	}
	return c, nil
}

// decodeAuth reads base64 of user:password, padded or not. Some writers fill
// the password up with NUL.
func decodeAuth(s string) (user, password string, err error) {
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(s), "="))
	if err != nil {
		return "", "", errors.New("auth is not base64")
	}
	user, password, found := strings.Cut(string(data), ":")
	if !found {
		return "", "", errors.New("auth holds no colon between user name and password")
	}
	if user == "" {
		return "", "", errors.New("auth holds an empty user name")
	}
	return user, strings.TrimRight(password, "\x00"), nil
}

// nullUser stands for nobody beside an identity token, as az acr login writes
// it: an entry with an empty user name makes docker refuse its whole file.
const nullUser = "00000000-0000-0000-0000-000000000000"

// encodeEntry writes c into the entry old, keeping what old holds besides. A
// zero c leaves only that.
func encodeEntry(old json.RawMessage, c Credential) (json.RawMessage, error) {
	var o object
	if old != nil {
		var err error
		if o, err = parseObject(old); err != nil {
			o = nil // it held no credential that anyone could read
		}
	}
	o = slices.DeleteFunc(slices.Clone(o), func(m member) bool {
		return slices.ContainsFunc(entryFields, func(f string) bool { return strings.EqualFold(f, m.key) })
	})
	user := c.Username
	if user == "" && !c.IdentityToken.IsZero() {
		user = nullUser
	}
	if user != "" {
		auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + c.Password.Reveal()))
		o = o.with("auth", encodeString(auth))
	}
	if !c.IdentityToken.IsZero() {
		o = o.with("identitytoken", encodeString(c.IdentityToken.Reveal()))
	}
	if !c.RegistryToken.IsZero() {
		o = o.with("registrytoken", encodeString(c.RegistryToken.Reveal()))
	}
	return o.encode(2), nil
}
