package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

// object is a JSON object that keeps the order of its members and each value
// byte for byte: other programs keep their settings in the same file.
type object []member

type member struct {
	key string
	raw json.RawMessage
}

func parseObject(data []byte) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	open, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if open == nil { // null
		return nil, nil
	}
	if open != json.Delim('{') {
		return nil, errors.New("it is not a JSON object")
	}
	var o object
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{key: key.(string)}
		if err := dec.Decode(&m.raw); err != nil {
			return nil, err
		}
		o = append(o, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its JSON object")
	}
	return o, nil
}

// get returns the last value of a key, which is the one that counts for Go's
// and most other decoders.
func (o object) get(key string) (json.RawMessage, bool) {
	for _, m := range slices.Backward(o) {
		if m.key == key {
			return m.raw, true
		}
	}
	return nil, false
}

// with returns o with the value of key set, in its place if it had one.
func (o object) with(key string, raw json.RawMessage) object {
	at := slices.IndexFunc(o, func(m member) bool { return m.key == key })
	if at < 0 {
		return append(slices.Clip(o), member{key, raw})
	}
	rest := o[at+1:].without(key)
	return slices.Concat(o[:at], object{{key, raw}}, rest)
}

func (o object) without(key string) object {
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return m.key == key })
}

// encode writes one member a line, indented with tabs as docker does.
func (o object) encode(depth int) []byte {
	if len(o) == 0 {
		return []byte("{}")
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n" + strings.Repeat("\t", depth+1))
		b.Write(encodeString(m.key))
		b.WriteString(": ")
		b.Write(m.raw)
	}
	b.WriteString("\n" + strings.Repeat("\t", depth) + "}")
	return b.Bytes()
}

func encodeString(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(s) // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// config is a credential file in docker's format.
type config struct {
	top, auths, helpers object
	defaultHelper       string
}

// parseConfig reads a file. An empty one is an empty configuration, as it is
// for docker. Entries are not looked into, so that a bad one disables only
// itself.
func parseConfig(data []byte) (*config, error) {
	c := &config{}
	if len(bytes.TrimSpace(data)) == 0 {
		return c, nil
	}
	var err error
	if c.top, err = parseObject(data); err != nil {
		return nil, err
	}
	for key, into := range map[string]*object{"auths": &c.auths, "credHelpers": &c.helpers} {
		if raw, found := c.top.get(key); found {
			if *into, err = parseObject(raw); err != nil {
				return nil, errors.New(key + " is not a JSON object")
			}
		}
	}
	if raw, found := c.top.get("credsStore"); found && json.Unmarshal(raw, &c.defaultHelper) != nil {
		return nil, errors.New("credsStore is not a string")
	}
	return c, nil
}

func (c *config) encode() []byte {
	if len(c.auths) > 0 || slices.ContainsFunc(c.top, func(m member) bool { return m.key == "auths" }) {
		c.top = c.top.with("auths", c.auths.encode(1))
	}
	return append(c.top.encode(0), '\n')
}

// helper names the helper program's suffix for a host; empty is the file. An
// entry of credHelpers beats credsStore, and an empty one means the file.
func (c *config) helper(hostKeys []string) (string, error) {
	for _, key := range hostKeys {
		raw, found := c.helpers.get(key)
		if !found {
			continue
		}
		var suffix string
		if json.Unmarshal(raw, &suffix) != nil {
			return "", errors.New("credHelpers entry is not a string")
		}
		return suffix, nil
	}
	return c.defaultHelper, nil
}

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
