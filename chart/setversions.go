package chart

import (
	"encoding/json"
	"fmt"
	"regexp"

	"sigs.k8s.io/yaml"
)

// setVersions returns Chart.yaml with other values for version and appVersion;
// an empty one stays. Comments, order and unknown keys survive where each
// value stands on a line of its own, which is judged by the outcome: the edited
// text must read as the old one but for these two values. Otherwise the file is
// written anew from what was read.
func setVersions(data []byte, version, appVersion string) ([]byte, error) {
	want, err := ParseMetadata(data)
	if err != nil {
		return nil, err
	}
	edited := data
	if version != "" {
		want.Version = version
		edited, _ = setLine(edited, "version", version)
	}
	if appVersion != "" {
		want.AppVersion = printable(appVersion)
		var found bool
		if edited, found = setLine(edited, "appVersion", want.AppVersion); !found {
			edited = addLine(edited, "version", "appVersion", want.AppVersion)
		}
	}
	if got, err := ParseMetadata(edited); err == nil && sameJSON(got, want) {
		return edited, nil
	}
	return yaml.Marshal(want)
}

func sameJSON(a, b *Metadata) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// line matches a top-level key with a scalar on one line: what is before the
// value, the value, and what follows.
func line(key string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^(` + key + `[ \t]*:[ \t]+)("[^"\r\n]*"|'[^'\r\n]*'|[^\s#"'&*!|>{\[][^#\r\n]*?)([ \t]*|[ \t]+#[^\r\n]*)(\r?)$`)
}

func setLine(data []byte, key, value string) ([]byte, bool) {
	at := line(key).FindSubmatchIndex(data)
	if at == nil {
		return data, false
	}
	return splice(data, at[4], at[5], quote(value)), true
}

// addLine puts a key on a line after that of another.
func addLine(data []byte, after, key, value string) []byte {
	at := line(after).FindSubmatchIndex(data)
	if at == nil {
		return data
	}
	return splice(data, at[1], at[1], fmt.Sprintf("\n%s: %s", key, quote(value)))
}

func splice(data []byte, from, to int, text string) []byte {
	out := append([]byte(nil), data[:from]...)
	out = append(out, text...)
	return append(out, data[to:]...)
}

// quote makes a YAML string that is read as text whatever it looks like: the
// double-quoted style takes what JSON writes.
func quote(s string) string {
	b, _ := json.Marshal(s) // a string always marshals
	return string(b)
}
