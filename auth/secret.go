package auth

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"

	"github.com/portolan-oci/portolan/internal/redact"
)

const redacted = "REDACTED"

// Secret holds a password or a token and prints as REDACTED, whatever prints
// it: fmt with any verb, encoding/json, log/slog. [Secret.Reveal] is the only
// way out. The zero value is no secret. Compare with [Secret.Equal]: two
// values that hold the same text are not ==.
type Secret struct {
	// A pointer, so that fmt shows an address and not the text where it may
	// not call methods: in the unexported field of somebody's struct.
	text *string
}

// NewSecret keeps s. An empty s gives the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{text: &s}
}

// Reveal returns the text. Do not let it reach an error or a log.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero tells whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal compares the texts in constant time.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// spellings are those in which a server's answer may repeat a credential.
func (c Credential) spellings() []string {
	basic := ""
	if c.hasPassword() {
		basic = c.Username + ":" + c.Password.Reveal()
	}
	return redact.Spellings(basic, c.Password.Reveal(), c.IdentityToken.Reveal(), c.RegistryToken.Reveal())
}

// String returns REDACTED.
func (Secret) String() string { return redacted }

// GoString returns REDACTED.
func (Secret) GoString() string { return redacted }

// Format writes REDACTED for every verb.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue returns REDACTED.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON returns the string REDACTED.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns REDACTED.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
