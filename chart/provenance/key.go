package provenance

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/portolan-oci/portolan/internal/redact"
)

// What a caller can act on when a key is chosen or opened.
var (
	// ErrKeyNotFound: no key of the keyring is what was asked for, or it cannot
	// sign: only its public half is there, it has expired, or it is revoked.
	ErrKeyNotFound = errors.New("no such key to sign with")
	// ErrAmbiguousKey: several keys fit.
	ErrAmbiguousKey = errors.New("more than one key fits")
)

// Key is a key of a Keyring that can sign. It is immutable.
type Key struct {
	// Fingerprint is that of the primary key, in upper-case hexadecimal.
	Fingerprint string
	// Identities are the user IDs of the key, as in "Alice (charts)
	// <alice@example.com>", the primary one first. They are what the keyring
	// says, unchanged.
	Identities []string

	entity *openpgp.Entity
}

// SigningKey finds the key to sign with. name is a part of one of its user
// IDs, as for "helm package --key", or the whole of it; or its fingerprint, or
// at least the last 8 hexadecimal digits of that, in either case, with or
// without blanks and 0x. A whole user ID is preferred to a part. An empty name
// finds the only key that can sign.
//
// The error matches ErrKeyNotFound or ErrAmbiguousKey.
func (k *Keyring) SigningKey(name string) (*Key, error) {
	matches := k.matches(func(id string) bool { return id == name }, "")
	if len(matches) == 0 {
		matches = k.matches(func(id string) bool { return strings.Contains(id, name) }, keyNumber(name))
	}
	secret := slices.DeleteFunc(slices.Clone(matches), func(e *openpgp.Entity) bool { return e.PrivateKey == nil })
	var found *openpgp.Entity
	for _, e := range secret {
		if found != nil && fingerprint(e) != fingerprint(found) {
			return nil, fmt.Errorf("%w %q: %s and %s", ErrAmbiguousKey, name, title(found), title(e))
		}
		found = e
	}
	switch {
	case found != nil:
		return &Key{Fingerprint: fingerprint(found), Identities: identities(found), entity: found}, nil
	case len(matches) > 0:
		return nil, fmt.Errorf("%w: of %s the keyring holds the public half alone; gpg --export-secret-keys writes the other", ErrKeyNotFound, title(matches[0]))
	case name == "":
		return nil, fmt.Errorf("%w: the keyring is empty", ErrKeyNotFound)
	}
	return nil, fmt.Errorf("%w: %q is no part of a name or fingerprint in the keyring", ErrKeyNotFound, name)
}

func (k *Keyring) matches(named func(id string) bool, number string) []*openpgp.Entity {
	if k == nil {
		return nil
	}
	var all []*openpgp.Entity
	for _, e := range k.entities {
		if slices.ContainsFunc(identities(e), named) || number != "" && strings.HasSuffix(fingerprint(e), number) {
			all = append(all, e)
		}
	}
	return all
}

// keyNumber reads a name as the end of a fingerprint; empty if it is none.
// Fewer digits than a short key ID has would match by chance.
func keyNumber(name string) string {
	number := strings.ToUpper(strings.ReplaceAll(name, " ", ""))
	number = strings.TrimPrefix(number, "0X")
	if len(number) < 8 || strings.Trim(number, "0123456789ABCDEF") != "" {
		return ""
	}
	return number
}

func fingerprint(e *openpgp.Entity) string {
	return strings.ToUpper(hex.EncodeToString(e.PrimaryKey.Fingerprint))
}

// identities are the user IDs in an order of their own: the library keeps them
// in a map.
func identities(e *openpgp.Entity) []string {
	first := ""
	if _, id := e.PrimarySelfSignature(); id != nil {
		first = id.Name
	}
	var all []string
	for name := range e.Identities {
		if name != first {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	if first != "" {
		all = append([]string{first}, all...)
	}
	return all
}

// title names a key in an error.
func title(e *openpgp.Entity) string {
	if ids := identities(e); len(ids) > 0 {
		return shown(ids[0]) + " (" + fingerprint(e) + ")"
	}
	return fingerprint(e)
}

// minBits is what RSA and DSA need to stand until 2030 (NIST SP 800-57 part 1,
// table 2), less one: some makers of keys lose the highest bit. Helm takes any.
const minBits = 2047

// checkStrength refuses keys that others can compute.
func checkStrength(key *packet.PublicKey) error {
	switch key.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoDSA:
		if bits, err := key.BitLength(); err != nil || bits < minBits {
			return fmt.Errorf("the key %s has %d bits, and fewer than %d can be forged", key.KeyIdString(), bits, minBits+1)
		}
	}
	return nil
}

// shown is for texts of strangers: user IDs, and what the OpenPGP library says
// of hostile input.
func shown(s string) string { return redact.Shown(s) }
