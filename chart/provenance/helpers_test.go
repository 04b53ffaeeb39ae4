package provenance_test

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/provenance"
)

// longAgo is when the keys of the tests were made, unless a test says
// otherwise.
var longAgo = time.Now().Add(-365 * 24 * time.Hour).Truncate(time.Second)

// zero lets Verify take the present.
var zero time.Time

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func at(when time.Time) func() time.Time { return func() time.Time { return when } }

// newKey makes a key of its own for each call: Ed25519 unless config says
// otherwise.
func newKey(t testing.TB, name string, config *packet.Config) *openpgp.Entity {
	t.Helper()
	c := packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: at(longAgo)}
	if config != nil {
		c = *config
		if c.Time == nil {
			c.Time = at(longAgo)
		}
		if c.Algorithm == 0 {
			c.Algorithm = packet.PubKeyAlgoEdDSA
		}
	}
	e, err := openpgp.NewEntity(name, "charts", name+"@example.com", &c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// alice is the signer of most tests. Nobody changes her key.
var alice = sync.OnceValue(func() *openpgp.Entity {
	e, err := openpgp.NewEntity("Alice", "charts", "alice@example.com", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: at(longAgo)})
	if err != nil {
		return nil // and each test that needs her says so
	}
	return e
})

// public writes the public half of keys in their binary form.
func public(t testing.TB, keys ...*openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, e := range keys {
		if err := e.Serialize(&b); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// secret writes both halves.
func secret(t testing.TB, keys ...*openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, e := range keys {
		if err := e.SerializePrivateWithoutSigning(&b, nil); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func armored(t testing.TB, kind string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func ring(t testing.TB, data ...[]byte) *provenance.Keyring {
	t.Helper()
	k, err := provenance.ReadKeyring(bytes.NewReader(bytes.Join(data, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// trusting is a keyring with the public half of these keys.
func trusting(t testing.TB, keys ...*openpgp.Entity) *provenance.Keyring {
	t.Helper()
	return ring(t, public(t, keys...))
}

// clearSign signs any text with a key, as a forger would.
func clearSign(t testing.TB, text string, config *packet.Config, keys ...*packet.PrivateKey) []byte {
	t.Helper()
	if config == nil {
		config = &packet.Config{DefaultHash: crypto.SHA512}
	}
	var b bytes.Buffer
	w, err := clearsign.EncodeMulti(&b, keys, config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mariner is the chart that is signed.
func mariner(t testing.TB) *chart.Packed {
	t.Helper()
	packed, err := chart.Pack(t.Context(), "../testdata/charts/mariner", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packed.Close() })
	return packed
}

// signer signs with a key that has no passphrase.
func signer(t testing.TB, e *openpgp.Entity) *provenance.Signer {
	t.Helper()
	key, err := ring(t, secret(t, e)).SigningKey("")
	if err != nil {
		t.Fatal(err)
	}
	s, err := provenance.NewSigner(t.Context(), key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t testing.TB, e *openpgp.Entity, packed *chart.Packed) []byte {
	t.Helper()
	prov, err := signer(t, e).Sign(t.Context(), packed.Archive())
	if err != nil {
		t.Fatal(err)
	}
	return prov
}

// said is the text that Alice signs about a small chart.
func said(sum digest.Digest) string {
	return "apiVersion: v2\nname: pier\nversion: 1.2.3\n\n...\nfiles:\n  pier-1.2.3.tgz: " + sum.String() + "\n"
}
