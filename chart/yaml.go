package chart

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	goyaml "go.yaml.in/yaml/v2"
	"sigs.k8s.io/yaml"
)

// errExpanded is YAML that stands for more than maxExpanded.
var errExpanded = fmt.Errorf("its aliases expand it to more than %d bytes", maxExpanded)

// yamlReader reads YAML as Helm does, after it has weighed it. The zero value
// is ready; all that one reader reads shares the limit.
//
// An alias repeats what its anchor marks, and may do so within another anchor.
// The library counts the nodes that come of it; their texts, which one node
// shares with the next as long as they are YAML, become separate when they are
// written as JSON, so that 300 bytes, compressed, grew to a gigabyte.
type yamlReader struct{ weight int64 }

func (r *yamlReader) unmarshal(data []byte, into any) error {
	if mayAlias(data) {
		if err := r.weigh(data); err != nil {
			return err
		}
	}
	return yaml.Unmarshal(data, into)
}

// weigh goes through all that data stands for, aliases expanded, and keeps
// nothing but its size. It is the library that will read it which reads it
// here, so that both find the same.
func (r *yamlReader) weigh(data []byte) error {
	var root *deferred
	if err := goyaml.Unmarshal(data, &root); err != nil {
		return err
	}
	r.weight += nodeWeight
	// A list and no recursion: what holds itself would end the stack.
	for todo := []*deferred{root}; len(todo) > 0; {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if next == nil { // a null
			continue
		}
		text, below, err := next.open()
		if err != nil {
			return err
		}
		// Counted before they are opened, so that the list is bounded too.
		r.weight += sizeInJSON(text) + int64(len(below))*nodeWeight
		if r.weight > maxExpanded {
			return errExpanded
		}
		todo = append(todo, below...)
	}
	return nil
}

// mayAlias tells whether data could hold an alias, which takes both an anchor's
// character and its own. They are common in comments, so lines that are one do
// not count: what begins with # is a comment or a part of a text, and neither
// holds aliases. Where lines could end otherwise than they do here, by the
// breaks of YAML 1.1 or in another encoding, everything counts.
func mayAlias(data []byte) bool {
	both := func(b []byte) bool { return bytes.IndexByte(b, '&') >= 0 && bytes.IndexByte(b, '*') >= 0 }
	if !both(data) {
		return false
	}
	for _, mark := range []string{"\x00", "\xfe\xff", "\xff\xfe", "\u0085", "\u2028", "\u2029"} {
		if bytes.Contains(data, []byte(mark)) {
			return true
		}
	}
	var rest []byte
	for line := range bytes.FieldsFuncSeq(data, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if text := bytes.TrimLeft(line, " \t"); len(text) > 0 && text[0] != '#' {
			rest = append(rest, text...)
		}
	}
	return both(rest)
}

// sizeInJSON is how many bytes encoding/json writes for a text, quotes aside.
func sizeInJSON(s string) int64 {
	var size int64
	for i, r := range s {
		switch _, width := utf8.DecodeRuneInString(s[i:]); {
		case r < ' ', r == '<', r == '>', r == '&', r == '\u2028', r == '\u2029', r == utf8.RuneError && width == 1:
			size += 6 // \u003c
		case r == '"', r == '\\':
			size += 2
		default:
			size += int64(width)
		}
	}
	return size
}

// deferred is a node that has been parsed and is yet to be decoded.
type deferred struct {
	decode func(any) error
}

// UnmarshalYAML keeps what decodes the node for later. The library calls it
// with aliases and tags resolved, for all but nulls.
func (d *deferred) UnmarshalYAML(decode func(any) error) error {
	d.decode = decode
	return nil
}

// open decodes one level: a text, or the keys and values of a mapping, or the
// elements of a list. Keys are pointers, so that equal ones stay apart: a
// mapping weighs what it could, not what is left of it.
func (d *deferred) open() (text string, below []*deferred, err error) {
	var mismatch *goyaml.TypeError
	if err = d.decode(&text); !errors.As(err, &mismatch) {
		return text, nil, err
	}
	var list []*deferred
	if err = d.decode(&list); list != nil || !errors.As(err, &mismatch) {
		return "", list, err
	}
	var mapping map[*deferred]*deferred
	if err = d.decode(&mapping); err != nil {
		return "", nil, err
	}
	for key, value := range mapping {
		below = append(below, key, value)
	}
	return "", below, nil
}
