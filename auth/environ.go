package auth

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Environ holds settings KEY=value for a program's environment. Values may be
// secrets, so it prints as the keys alone, whatever prints it: fmt with any
// verb, encoding/json, log/slog.
type Environ []string

func (e Environ) keys() string {
	keys := make([]string, len(e))
	for i, setting := range e {
		key, _, found := strings.Cut(setting, "=")
		if !found {
			key = "?"
		}
		keys[i] = key + "=" + redacted
	}
	return strings.Join(keys, " ")
}

// String returns the keys.
func (e Environ) String() string { return e.keys() }

// Format writes the keys for every verb.
func (e Environ) Format(f fmt.State, _ rune) { io.WriteString(f, "["+e.keys()+"]") }

// LogValue returns the keys.
func (e Environ) LogValue() slog.Value { return slog.StringValue(e.keys()) }

// MarshalText returns the keys.
func (e Environ) MarshalText() ([]byte, error) { return []byte(e.keys()), nil }
