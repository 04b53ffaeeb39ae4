package provenance_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/provenance"
)

// TestSignedText: the text is byte for byte the one that Helm 4.3.1 signs.
func TestSignedText(t *testing.T) {
	packed := mariner(t)
	prov := string(sign(t, alice(), packed))
	want := `-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA512

annotations:
  artifacthub.io/license: Apache-2.0
apiVersion: v2
appVersion: "2.7"
dependencies:
- - condition: compass.enabled
  name: compass
  repository: oci://registry.example/charts
  version: 0.1.x
description: Serves a sea chart over HTTP
home: https://mariner.example
keywords:
- - chart
- - sea
kubeVersion: '>=1.27.0-0'
maintainers:
- - email: ana@mariner.example
  name: Ana Dias
- - name: Bruno
name: mariner
sources:
- - https://git.example/mariner
type: application
version: 0.3.1

...
files:
  mariner-0.3.1.tgz: ` + packed.Layer.Digest.String() + `

`
	got, _, _ := strings.Cut(prov, "-----BEGIN PGP SIGNATURE-----")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSignAndVerify(t *testing.T) {
	withSubkey := newKey(t, "Subkey", nil)
	if err := withSubkey.AddSigningSubkey(&packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: at(longAgo)}); err != nil {
		t.Fatal(err)
	}
	packed := mariner(t)
	for name, e := range map[string]*openpgp.Entity{
		"Ed25519":        alice(),
		"RSA":            newKey(t, "Rivest", &packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048}),
		"ECDSA P-384":    newKey(t, "Edward", &packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveNistP384}),
		"signing subkey": withSubkey,
		"version 6":      newKey(t, "Six", &packet.Config{V6Keys: true, Algorithm: packet.PubKeyAlgoEd25519}),
	} {
		t.Run(name, func(t *testing.T) {
			before := time.Now().Add(-time.Minute)
			prov := sign(t, e, packed)
			v, err := provenance.Verify(prov, packed.Layer.Digest, trusting(t, newKey(t, "Other", nil), e), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			id := ""
			for id = range e.Identities {
				break
			}
			if v.Name != "mariner" || v.Version != "0.3.1" || v.Archive != packed.Layer.Digest || v.Identity != id ||
				len(v.Fingerprint) < 40 || v.Signed.Before(before) || v.String() != id+" (OpenPGP "+v.Fingerprint+")" {
				t.Errorf("verification %+v of %q", v, id)
			}
		})
	}
}

func TestPassphrase(t *testing.T) {
	locked := newKey(t, "Locked", nil)
	if err := locked.EncryptPrivateKeys([]byte("open sesame"), nil); err != nil {
		t.Fatal(err)
	}
	keys := ring(t, secret(t, locked))
	key, err := keys.SigningKey("Locked")
	if err != nil {
		t.Fatal(err)
	}
	packed := mariner(t)
	noAnswer := errors.New("no answer")
	for _, tc := range []struct {
		name string
		pass string
		err  error
		want error
	}{
		{"right", "open sesame", nil, nil},
		{"right again, the keyring stays closed", "open sesame", nil, nil},
		{"wrong", "open barley", nil, provenance.ErrPassphrase},
		{"empty", "", nil, provenance.ErrPassphrase},
		{"none", "open sesame", noAnswer, noAnswer},
	} {
		given := []byte(tc.pass)
		s, err := provenance.NewSigner(t.Context(), key, func(_ context.Context, k *provenance.Key) ([]byte, error) {
			if k != key {
				t.Errorf("%s: asked for %v", tc.name, k)
			}
			return given, tc.err
		})
		if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
			t.Errorf("%s: error = %v", tc.name, err)
		}
		if err != nil && tc.pass != "" && strings.Contains(err.Error(), tc.pass) {
			t.Errorf("%s: the error says the passphrase: %v", tc.name, err)
		}
		if slices.ContainsFunc(given, func(b byte) bool { return b != 0 }) {
			t.Errorf("%s: the passphrase is still in memory: %q", tc.name, given)
		}
		if s == nil {
			continue
		}
		if _, err := s.Sign(t.Context(), packed.Archive()); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if _, err := provenance.NewSigner(t.Context(), key, nil); !errors.Is(err, provenance.ErrPassphrase) {
		t.Errorf("nobody to ask: %v", err)
	}
}

func TestKeysThatCannotSign(t *testing.T) {
	revoked := newKey(t, "Revoked", nil)
	if err := revoked.RevokeKey(packet.NoReason, "", nil); err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*openpgp.Entity{
		"expired": newKey(t, "Expired", &packet.Config{KeyLifetimeSecs: 60}),
		"revoked": revoked,
		"weak":    newKey(t, "Weak", &packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 1024}),
	} {
		key, err := ring(t, secret(t, e)).SigningKey("")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := provenance.NewSigner(t.Context(), key, nil); !errors.Is(err, provenance.ErrKeyNotFound) {
			t.Errorf("%s: error = %v", name, err)
		}
	}
	if _, err := provenance.NewSigner(t.Context(), nil, nil); !errors.Is(err, provenance.ErrKeyNotFound) {
		t.Errorf("no key: error = %v", err)
	}
	if _, err := provenance.NewSigner(t.Context(), &provenance.Key{}, nil); !errors.Is(err, provenance.ErrKeyNotFound) {
		t.Errorf("a key from nowhere: error = %v", err)
	}
}

// TestSignRefuses: what cannot be a chart is not vouched for.
func TestSignRefuses(t *testing.T) {
	broken, err := chart.NewArchive(bytes.NewReader([]byte{0x1f, 0x8b, 8, 0, 0, 0}), 6, nil)
	if err != nil {
		t.Fatal(err)
	}
	if prov, err := signer(t, alice()).Sign(t.Context(), broken); !errors.Is(err, chart.ErrInvalidArchive) {
		t.Errorf("signed a broken archive: %q, %v", prov, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if prov, err := signer(t, alice()).Sign(ctx, mariner(t).Archive()); !errors.Is(err, context.Canceled) {
		t.Errorf("signed after the end: %q, %v", prov, err)
	}
}
