package provenance_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/provenance"
)

// FuzzVerify: whatever is made of a provenance file, what is accepted says
// what its signer has signed. Key and signature are stored, without the secret
// half that nobody has any more: each of the processes that fuzz would make
// its own, and no seed would be signed by it.
func FuzzVerify(f *testing.F) {
	sum := digest.FromString("the archive")
	keys, err := provenance.LoadKeyring("testdata/alice.asc")
	must(f, err)
	good, err := os.ReadFile("testdata/pier-1.2.3.tgz.prov")
	must(f, err)
	if _, err := provenance.Verify(good, sum, keys, zero); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")))
	f.Add(append(append([]byte{}, good...), good...))
	f.Add(good[:len(good)/2])
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\n\n\n-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, prov []byte) {
		v, err := provenance.Verify(prov, sum, keys, zero)
		if err != nil {
			if !errors.Is(err, chart.ErrVerification) {
				t.Errorf("error %v is no refusal", err)
			}
			return
		}
		if v.Name != "pier" || v.Version != "1.2.3" || v.Archive != sum {
			t.Errorf("verified %+v, which nobody has signed", v)
		}
	})
}

// FuzzSignedText: a text that a trusted key has signed is read in one way, or
// refused.
func FuzzSignedText(f *testing.F) {
	sum := digest.FromString("the archive")
	keys := trusting(f, alice())
	f.Add(said(sum))
	f.Add("apiVersion: v2\nname: pier\nversion: 1.2.3\n\n...\nfiles: {pier-1.2.3.tgz: '" + sum.String() + "'}")
	f.Add("name: &n pier\nversion: *n\n\n...\nfiles: &f\n  a: *f\n")
	f.Add("\n...\n\n...\n")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := provenance.Verify(clearSign(t, text, nil, alice().PrivateKey), sum, keys, zero)
		if err == nil && (v.Archive != sum || v.Name == "" || v.Version == "") {
			t.Errorf("verified %+v", v)
		}
	})
}

// FuzzReadKeyring: damage costs no more than an error.
func FuzzReadKeyring(f *testing.F) {
	pub := public(f, alice())
	f.Add(pub)
	f.Add(secret(f, alice()))
	f.Add(armored(f, "PGP PUBLIC KEY BLOCK", pub))
	f.Add(keybox(false, pub))
	f.Add(keybox(true, pub, pub))
	prov := clearSign(f, said(digest.FromString("the archive")), nil, alice().PrivateKey)
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := provenance.ReadKeyring(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, provenance.ErrKeyring) {
				t.Errorf("error %v", err)
			}
			return
		}
		_, _ = keys.SigningKey("")
		_, _ = provenance.Verify(prov, digest.FromString("the archive"), keys, zero)
	})
}
