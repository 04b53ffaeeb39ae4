package provenance_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/portolan-oci/portolan/chart/provenance"
)

// keybox writes keys as GnuPG 2.1 keeps them, some with the flag of those that
// do not count.
func keybox(ephemeral bool, keys ...[]byte) []byte {
	head := make([]byte, 32)
	binary.BigEndian.PutUint32(head, 32)
	head[4], head[5] = 1, 1
	copy(head[8:], "KBXf")
	box := head
	for _, key := range keys {
		blob := make([]byte, 20)
		binary.BigEndian.PutUint32(blob, uint32(20+len(key)+20))
		blob[4], blob[5] = 2, 1
		if ephemeral {
			blob[7] = 2
		}
		binary.BigEndian.PutUint32(blob[8:], 20)
		binary.BigEndian.PutUint32(blob[12:], uint32(len(key)))
		box = append(append(append(box, blob...), key...), make([]byte, 20)...)
	}
	return append(box, 0, 0, 0, 5, 3) // a certificate of another kind
}

func TestReadKeyring(t *testing.T) {
	bob := newKey(t, "Bob", nil)
	a, b := public(t, alice()), public(t, bob)
	pub := func(data []byte) []byte { return armored(t, openpgp.PublicKeyType, data) }
	for name, data := range map[string][]byte{
		"binary":                    append(bytes.Clone(a), b...),
		"secret":                    secret(t, alice(), bob),
		"armored":                   pub(append(bytes.Clone(a), b...)),
		"armored one by one":        append(pub(a), pub(b)...),
		"armored with text between": append(append(pub(a), "\nand Bob's:\n\n"...), pub(b)...),
		"armored public and secret": append(pub(a), armored(t, openpgp.PrivateKeyType, secret(t, bob))...),
		"armored after blank lines": append([]byte("\r\n\n"), pub(append(bytes.Clone(a), b...))...),
		"keybox":                    keybox(false, a, b),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keyring")
			must(t, os.WriteFile(path, data, 0o600))
			keys, err := provenance.LoadKeyring(path)
			if err != nil {
				t.Fatal(err)
			}
			packed := mariner(t)
			for _, e := range []*openpgp.Entity{alice(), bob} {
				if _, err := provenance.Verify(sign(t, e, packed), packed.Layer.Digest, keys, zero); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestReadKeyringRefuses(t *testing.T) {
	a := public(t, alice())
	box := keybox(false, a)
	long := keybox(false, a)
	binary.BigEndian.PutUint32(long[32+12:], 1<<31)
	short := keybox(false, a)
	binary.BigEndian.PutUint32(short[32:], 3)
	for name, data := range map[string][]byte{
		"empty":                   nil,
		"a page":                  []byte("<html>"),
		"an armored message":      armored(t, "PGP MESSAGE", []byte("hello")),
		"an armored nothing":      []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n"),
		"a key that is cut":       a[:60],
		"a keybox that is cut":    box[:len(box)-30],
		"a keybox of nothing":     keybox(false),
		"a keybox of ephemerals":  keybox(true, a),
		"a keybox of long keys":   long,
		"a keybox of short blobs": short,
		"too large":               make([]byte, 32<<20+1),
	} {
		if keys, err := provenance.ReadKeyring(bytes.NewReader(data)); !errors.Is(err, provenance.ErrKeyring) {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
	if _, err := provenance.LoadKeyring(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestSigningKey(t *testing.T) {
	bob, bobby, carol := newKey(t, "Bob", nil), newKey(t, "Bobby", nil), newKey(t, "Carol", nil)
	number := strings.ToUpper(hexOf(bobby.PrimaryKey.Fingerprint))
	keys := ring(t, secret(t, bob, bobby), public(t, carol, bob))
	for _, tc := range []struct {
		name string
		want *openpgp.Entity
		err  error
	}{
		{"Bob (charts) <Bob@example.com>", bob, nil},
		{"Bobby", bobby, nil},
		{"Bobby@example.com", bobby, nil},
		{"Bob (", bob, nil},
		{number, bobby, nil},
		{strings.ToLower(number[len(number)-16:]), bobby, nil},
		{"0x" + number[len(number)-8:], bobby, nil},
		{number[:4] + " " + number[4:], bobby, nil},
		{"Bob", nil, provenance.ErrAmbiguousKey},
		{"", nil, provenance.ErrAmbiguousKey},
		{"Carol", nil, provenance.ErrKeyNotFound},
		{"Dave", nil, provenance.ErrKeyNotFound},
		{number[:16], nil, provenance.ErrKeyNotFound},
		{number[len(number)-7:], nil, provenance.ErrKeyNotFound},
	} {
		key, err := keys.SigningKey(tc.name)
		if !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
			t.Errorf("%q: %v, %v", tc.name, key, err)
		}
		if err == nil && key.Fingerprint != strings.ToUpper(hexOf(tc.want.PrimaryKey.Fingerprint)) {
			t.Errorf("%q finds %q", tc.name, key.Identities)
		}
	}
	only, err := ring(t, secret(t, bob), public(t, carol)).SigningKey("")
	if err != nil || !slices.Equal(only.Identities, []string{"Bob (charts) <Bob@example.com>"}) {
		t.Errorf("the only secret key is %v, %v", only, err)
	}
	if _, err := (*provenance.Keyring)(nil).SigningKey(""); !errors.Is(err, provenance.ErrKeyNotFound) {
		t.Errorf("of no keyring: %v", err)
	}
}
