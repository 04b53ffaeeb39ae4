package ocijson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// object says how the keys of an object are read.
type object struct {
	fields  []string           // as the spec spells them
	objects map[string]*object // those below, directly or in a list
}

// The objects of the image spec 1.1 whose keys are names. Within all others
// case matters to every reader.
var (
	platform = &object{fields: []string{"architecture", "os", "os.version", "os.features", "variant", "features"}}

	descriptor = &object{
		fields:  []string{"mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"},
		objects: map[string]*object{"platform": platform},
	}

	document = &object{
		fields: []string{"schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "blobs", "subject", "annotations", "fsLayers"},
		objects: map[string]*object{
			"config": descriptor, "layers": descriptor, "manifests": descriptor, "blobs": descriptor, "subject": descriptor,
		},
	}
)

// checker reads a document once, token by token, and keeps no more of it than
// the keys of the objects that it is in.
type checker struct {
	dec    *json.Decoder
	values int
}

// check returns the keys at the top.
func check(data []byte) (map[string]bool, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not UTF-8")
	}
	c := &checker{dec: json.NewDecoder(bytes.NewReader(data))}
	c.dec.UseNumber()
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	if token != json.Delim('{') {
		return nil, errors.New("is not a JSON object")
	}
	keys, err := c.object(document, 1)
	if err != nil {
		return nil, err
	}
	if _, err := c.dec.Token(); err != io.EOF {
		return nil, errors.New("goes on after its end")
	}
	return keys, nil
}

func (c *checker) token() (json.Token, error) {
	t, err := c.dec.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return t, err
}

// object reads the rest of an object, whose brace has been read. A nil kind
// has no names among its keys.
func (c *checker) object(kind *object, depth int) (map[string]bool, error) {
	keys := make(map[string]bool)
	var folded map[string]bool
	if kind != nil {
		folded = make(map[string]bool)
	}
	for c.dec.More() {
		token, err := c.token()
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		if !ok {
			return nil, fmt.Errorf("has %v where a key is wanted", token)
		}
		if keys[key] {
			return nil, fmt.Errorf("has the key %.100q twice", key)
		}
		keys[key] = true
		var below *object
		if kind != nil {
			if err := kind.check(key, folded); err != nil {
				return nil, err
			}
			below = kind.objects[key]
		}
		if err := c.value(below, depth); err != nil {
			return nil, err
		}
	}
	_, err := c.token()
	return keys, err
}

// check refuses a key that some readers take for another.
func (o *object) check(key string, seen map[string]bool) error {
	f := fold(key)
	if seen[f] {
		return fmt.Errorf("has the key %.100q twice, in upper and lower case", key)
	}
	seen[f] = true
	for _, name := range o.fields {
		if name != key && fold(name) == f {
			return fmt.Errorf("has the key %.100q, which some readers take for %q", key, name)
		}
	}
	return nil
}

// value reads a value; kind is that of its object, or of those in its list.
func (c *checker) value(kind *object, depth int) error {
	if c.values++; c.values > maxValues {
		return fmt.Errorf("has more than %d values", maxValues)
	}
	token, err := c.token()
	if err != nil {
		return err
	}
	if depth++; depth > maxDepth {
		return fmt.Errorf("is nested deeper than %d levels", maxDepth)
	}
	switch token {
	case json.Delim('{'):
		_, err = c.object(kind, depth)
	case json.Delim('['):
		err = c.list(kind, depth)
	}
	return err
}

func (c *checker) list(kind *object, depth int) error {
	for n := 0; c.dec.More(); n++ {
		if kind != nil && n == MaxDescriptors {
			return fmt.Errorf("lists more than %d descriptors", MaxDescriptors)
		}
		if err := c.value(kind, depth); err != nil {
			return err
		}
	}
	_, err := c.token()
	return err
}

// fold makes keys equal that encoding/json takes for one: each rune becomes
// the least of those that differ from it in case alone.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}
