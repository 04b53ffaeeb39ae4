package provenance_test

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // for withSHA1
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// withSHA1 signs a text as GnuPG 1 did. No library does so any more.
func withSHA1(t testing.TB, text string, key *packet.PrivateKey) []byte {
	t.Helper()
	deterministic := false
	config := &packet.Config{NonDeterministicSignaturesViaNotation: &deterministic}
	s := &packet.Signature{
		SigType: packet.SigTypeText, PubKeyAlgo: key.PubKeyAlgo, Hash: crypto.SHA1,
		CreationTime: time.Now().Add(-time.Minute), IssuerKeyId: &key.KeyId,
	}
	h := crypto.SHA1.New()
	h.Write([]byte(strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\r\n")))
	if err := s.Sign(h, key, config); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return []byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n" + strings.TrimSuffix(text, "\n") + "\n" + string(armored(t, "PGP SIGNATURE", b.Bytes())))
}
