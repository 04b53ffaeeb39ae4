package classic

import (
	"bytes"

	"sigs.k8s.io/yaml"
)

// saysNothing tells a value that is absent, or null.
func saysNothing(value []byte) bool {
	switch string(trimComment(value)) {
	case "", "null", "~", "Null", "NULL":
		return true
	}
	return false
}

func trimComment(value []byte) []byte {
	if len(value) > 0 && value[0] == '#' {
		return nil
	}
	if i := bytes.Index(value, []byte(" #")); i >= 0 {
		value = value[:i]
	}
	return bytes.TrimRight(value, " ")
}

// keyName reads a key as the YAML library does: quotes and escapes, and the
// text that numbers and bools turn into.
func keyName(raw []byte) (string, error) {
	if isPlainName(raw) {
		return string(raw), nil
	}
	var m map[string]int
	if err := yaml.Unmarshal(append(bytes.Clone(raw), ": 0"...), &m); err != nil || len(m) != 1 {
		return "", errNotBlock
	}
	for key := range m {
		return key, nil
	}
	return "", errNotBlock
}

// isPlainName knows most names without asking: of lower-case letters, digits
// and dashes, beginning with a letter, and longer than true and false.
func isPlainName(raw []byte) bool {
	if len(raw) < 6 || raw[0] < 'a' || raw[0] > 'z' {
		return false
	}
	for _, c := range raw {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
