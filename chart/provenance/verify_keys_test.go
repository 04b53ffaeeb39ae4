package provenance_test

import (
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/chart/provenance"
)

// badKeys are trusted keys that do not count, and keys that are not trusted.
func badKeys(t *testing.T, good []byte, sum digest.Digest) []tampered {
	namesake := newKey(t, "Alice", nil)
	revoked := newKey(t, "Revoked", nil)
	before := public(t, revoked)
	must(t, revoked.RevokeKey(packet.KeySuperseded, "", nil))
	sub := newKey(t, "Sub", nil)
	must(t, sub.AddSigningSubkey(&packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: at(longAgo)}))
	signing := &sub.Subkeys[len(sub.Subkeys)-1]
	subBefore := public(t, sub)
	must(t, sub.RevokeSubkey(signing, packet.KeyCompromised, "", nil))
	expired := newKey(t, "Expired", &packet.Config{KeyLifetimeSecs: 60})
	weak := newKey(t, "Weak", &packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 1024})
	rsa := newKey(t, "Strong", &packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048})
	by := func(e *openpgp.Entity, config *packet.Config) []byte {
		return clearSign(t, said(sum), config, e.PrivateKey)
	}
	return []tampered{
		{name: "unknown key", prov: by(namesake, nil), says: namesake.PrimaryKey.KeyIdString()},
		{name: "a namesake is trusted", prov: good, keys: trusting(t, namesake), says: "not in the keyring"},
		{name: "nobody is trusted", prov: good, keys: &provenance.Keyring{}, says: "not in the keyring"},
		{name: "revoked key", prov: by(revoked, nil), keys: trusting(t, revoked), says: "revoked"},
		{name: "revoked in a later export", prov: by(revoked, nil), keys: ring(t, before, public(t, revoked)), says: "revoked"},
		{name: "revoked subkey", prov: clearSign(t, said(sum), nil, signing.PrivateKey), keys: trusting(t, sub), says: "revoked"},
		{name: "subkey revoked in a later export", prov: clearSign(t, said(sum), nil, signing.PrivateKey), keys: ring(t, subBefore, public(t, sub)), says: "revoked"},
		{name: "expired key", prov: by(expired, nil), keys: trusting(t, expired), says: "expired"},
		{name: "expired key, signed in its time", prov: by(expired, &packet.Config{Time: at(longAgo.Add(time.Second))}), keys: trusting(t, expired), says: "expired"},
		{name: "expired signature", prov: by(alice(), &packet.Config{Time: at(longAgo), SigLifetimeSecs: 60}), says: "expired"},
		{name: "signature from the future", prov: by(alice(), &packet.Config{Time: at(time.Now().Add(time.Hour))}), says: "future"},
		{name: "before the key was", prov: good, at: longAgo.Add(-time.Hour), says: "not valid yet"},
		{name: "weak key", prov: by(weak, nil), keys: trusting(t, weak), says: "1024 bits"},
		{name: "SHA-1", prov: withSHA1(t, said(sum), rsa.PrivateKey), keys: trusting(t, rsa), says: "SHA-1"},
		{name: "key for encryption", prov: clearSign(t, said(sum), nil, encryption(t, rsa)), keys: trusting(t, rsa), says: "not meant for signing"},
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func encryption(t *testing.T, e *openpgp.Entity) *packet.PrivateKey {
	t.Helper()
	for _, s := range e.Subkeys {
		if s.Sig.FlagEncryptCommunications {
			return s.PrivateKey
		}
	}
	t.Fatal("the key has no subkey for encryption")
	return nil
}
