package auth

import (
	"bytes"
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

// parseObject reads the one JSON object of a file or of an entry.
func parseObject(data []byte) (object, error) {
	o, err := decodeObject(data)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("its JSON ends too early")
	}
	return o, err
}

func decodeObject(data []byte) (object, error) {
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

// index is get for many keys: a file of 4 MiB has room for half a million, and
// a look along all of them for each takes minutes.
func (o object) index() map[string]json.RawMessage {
	values := make(map[string]json.RawMessage, len(o))
	for _, m := range o {
		values[m.key] = m.raw
	}
	return values
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
		for _, m := range c.top {
			if m.key != key {
				continue
			}
			more, err := parseObject(m.raw)
			if err != nil {
				return nil, errors.New(key + " is not a JSON object")
			}
			*into = append(*into, more...) // where there are several, docker reads all of them
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

// helperSuffixes are the helpers that the file names, each once.
func (c *config) helperSuffixes() []string {
	list := []string{c.defaultHelper}
	for _, m := range c.helpers {
		var suffix string
		if json.Unmarshal(m.raw, &suffix) == nil {
			list = append(list, suffix)
		}
	}
	return slices.DeleteFunc(unique(list), func(s string) bool { return s == "" })
}
