package provenance_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/provenance"
)

// TestVerifyAccepts: what other tools write, and what travels do to a text.
func TestVerifyAccepts(t *testing.T) {
	sum := digest.FromString("the archive")
	key := alice().PrivateKey
	bob := newKey(t, "Bob", nil)
	plain := clearSign(t, said(sum), nil, key)
	extended := newKey(t, "Alice", &packet.Config{KeyLifetimeSecs: 60})
	expired := public(t, extended)
	extendKey(t, extended)
	for _, tc := range []struct {
		name string
		prov []byte
		keys *provenance.Keyring
	}{
		{"as Helm writes it", plain, trusting(t, alice())},
		{"lines that end as on Windows", bytes.ReplaceAll(plain, []byte("\n"), []byte("\r\n")), trusting(t, alice())},
		{"blank lines around", []byte("\n\n" + string(plain) + "\n\n"), trusting(t, alice())},
		{"blanks at the ends of lines", bytes.Replace(plain, []byte("v2\n"), []byte("v2  \n"), 1), trusting(t, alice())},
		{"no hash header", bytes.Replace(plain, []byte("Hash: SHA512\n"), nil, 1), trusting(t, alice())},
		{"images", clearSign(t, said(sum)+"images:\n  a: sha256:0\n", nil, key), trusting(t, alice())},
		{"two signers, both known", clearSign(t, said(sum), nil, key, bob.PrivateKey), trusting(t, alice(), bob)},
		{"two signers, one unknown", clearSign(t, said(sum), nil, bob.PrivateKey, key), trusting(t, alice())},
		{"a key that was extended", clearSign(t, said(sum), nil, extended.PrivateKey), ring(t, expired, public(t, extended))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, err := provenance.Verify(tc.prov, sum, tc.keys, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if v.Name != "pier" || v.Version != "1.2.3" || v.Archive != sum || !strings.HasPrefix(v.Identity, "Alice") {
				t.Errorf("verification %+v", v)
			}
		})
	}
}

// extendKey signs the key's user ID anew, without an end.
func extendKey(t *testing.T, e *openpgp.Entity) {
	t.Helper()
	for _, id := range e.Identities {
		never := uint32(0)
		id.SelfSignature.KeyLifetimeSecs = &never
		id.SelfSignature.CreationTime = longAgo.Add(time.Hour)
		if err := id.SelfSignature.SignUserId(id.UserId.Id, e.PrimaryKey, e.PrivateKey, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// tampered are provenance files that nobody should believe: each comes with
// what is trusted and which archive is here.
type tampered struct {
	name string
	prov []byte
	sum  digest.Digest
	keys *provenance.Keyring
	at   time.Time
	says string
}

func TestVerifyRefuses(t *testing.T) {
	sum, other := digest.FromString("the archive"), digest.FromString("another archive")
	good := clearSign(t, said(sum), nil, alice().PrivateKey)
	keys := trusting(t, alice())
	cases := tamperedTexts(t, good, sum, other)
	cases = append(cases, tamperedFrames(t, good, sum)...)
	cases = append(cases, forgedStatements(t, sum, other)...)
	cases = append(cases, badKeys(t, good, sum)...)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if tc.keys == nil {
				tc.keys = keys
			}
			if tc.sum == "" {
				tc.sum = sum
			}
			v, err := provenance.Verify(tc.prov, tc.sum, tc.keys, tc.at)
			if !errors.Is(err, chart.ErrVerification) {
				t.Fatalf("verified %+v, error %v", v, err)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %q does not say %q", err, tc.says)
			}
		})
	}
	if len(cases) < 40 {
		t.Errorf("there are only %d cases", len(cases))
	}
	if _, err := provenance.Verify(good, sum, keys, time.Time{}); err != nil {
		t.Errorf("and what was not tampered with: %v", err)
	}
}

// tamperedTexts differ from what was signed.
func tamperedTexts(t *testing.T, good []byte, sum, other digest.Digest) []tampered {
	swap := func(old, now string) []byte {
		changed := bytes.Replace(good, []byte(old), []byte(now), 1)
		if bytes.Equal(changed, good) {
			t.Fatalf("%q is not in the provenance file", old)
		}
		return changed
	}
	list := clearSign(t, "keywords:\n- a\n"+said(sum), nil, alice().PrivateKey)
	const fits = "does not fit the text"
	return []tampered{
		{name: "another archive", prov: good, sum: other, says: other.String()},
		{name: "no digest", prov: good, sum: "nothing", says: "nothing"},
		{name: "a digest of another kind", prov: good, sum: digest.SHA512.FromString("the archive"), says: "sha512"},
		{name: "checksum changed", prov: swap(sum.String(), other.String()), sum: other, says: fits},
		{name: "version changed", prov: swap("version: 1.2.3", "version: 1.2.4"), says: fits},
		{name: "name changed", prov: swap("name: pier", "name: dock"), says: fits},
		{name: "file name changed", prov: swap("pier-1.2.3.tgz", "pier-1.2.4.tgz"), says: fits},
		{name: "line added", prov: swap("name: pier\n", "name: pier\ndeprecated: true\n"), says: fits},
		{name: "line removed", prov: swap("apiVersion: v2\n", ""), says: fits},
		{name: "lines swapped", prov: swap("apiVersion: v2\nname: pier\n", "name: pier\napiVersion: v2\n"), says: fits},
		{name: "blank within a line", prov: swap("name: pier", "name:  pier"), says: fits},
		{name: "second file added", prov: swap("files:\n", "files:\n  pier-1.2.4.tgz: "+other.String()+"\n"), says: fits},
		{name: "dash escape removed", prov: bytes.Replace(list, []byte("\n- - a"), []byte("\n- a"), 1), says: fits},
	}
}

// tamperedFrames leave the text alone.
func tamperedFrames(t *testing.T, good []byte, sum digest.Digest) []tampered {
	const begin = "-----BEGIN PGP SIGNATURE-----"
	text, signature, _ := bytes.Cut(good, []byte(begin))
	signature = append([]byte(begin), signature...)
	_, otherSignature, _ := bytes.Cut(clearSign(t, said(sum)+"x: y\n", nil, alice().PrivateKey), []byte(begin))
	frame := func(body string) []byte { return append(bytes.Clone(text), body...) }
	damaged := bytes.Clone(signature)
	damaged[len(begin)+10] ^= 0x20 // another letter of base64
	var many []*packet.PrivateKey
	for range 17 {
		many = append(many, alice().PrivateKey)
	}
	return []tampered{
		{name: "empty", prov: nil, says: "does not begin"},
		{name: "an HTML page", prov: []byte("<html><title>Login</title></html>"), says: "does not begin"},
		{name: "text before", prov: append([]byte("Approved by the board.\n\n"), good...), says: "does not begin"},
		{name: "text after", prov: append(bytes.Clone(good), "\nApproved by the board.\n"...), says: "goes on"},
		{name: "signed twice over", prov: append(append(bytes.Clone(good), '\n'), good...), says: "goes on"},
		{name: "signature removed", prov: text, says: "no signed text"},
		{name: "signature cut", prov: good[:len(good)-40], says: "no signed text"},
		{name: "signature of another text", prov: frame(begin + string(otherSignature)), says: "does not fit the text"},
		{name: "signature damaged", prov: append(bytes.Clone(text), damaged...), says: "damaged"},
		{name: "signature empty", prov: frame(begin + "\n\n-----END PGP SIGNATURE-----\n"), says: "empty"},
		{name: "no OpenPGP in the armor", prov: frame(begin + "\n\naGVsbG8=\n-----END PGP SIGNATURE-----\n"), says: "damaged"},
		{name: "a key in the armor", prov: frame(string(armored(t, "PGP SIGNATURE", public(t, alice())))), says: "is not one of"},
		{name: "seventeen signatures", prov: clearSign(t, said(sum), nil, many...), says: "at most 16"},
		{name: "an unknown header", prov: bytes.Replace(good, []byte("Hash: SHA512\n"), []byte("Hash: SHA512\nComment: approved\n"), 1), says: "no signed text"},
		{name: "too large", prov: append(bytes.Clone(good), bytes.Repeat([]byte(" "), 2<<20)...), says: "more than"},
	}
}

// forgedStatements are signed as they stand, by a key that is trusted.
func forgedStatements(t *testing.T, sum, other digest.Digest) []tampered {
	const meta = "apiVersion: v2\nname: pier\nversion: 1.2.3\n"
	sums := "files:\n  pier-1.2.3.tgz: " + sum.String() + "\n"
	var all []tampered
	for name, c := range map[string]struct{ text, says string }{
		"Chart.yaml alone":                 {meta, "1 parts"},
		"checksums alone":                  {sums, "1 parts"},
		"three parts":                      {meta + "\n...\n" + sums + "\n...\n" + sums, "3 parts"},
		"two files":                        {said(sum) + "  pier-1.2.4.tgz: " + other.String() + "\n", "2 files"},
		"no file":                          {meta + "\n...\nfiles: {}\n", "0 files"},
		"no files at all":                  {meta + "\n...\nimages: {}\n", "0 files"},
		"another case":                     {meta + "\n...\nFiles:\n  pier-1.2.3.tgz: " + sum.String() + "\n", "0 files"},
		"a file of another name":           {meta + "\n...\nfiles:\n  pier-1.2.4.tgz: " + sum.String() + "\n", "pier-1.2.4.tgz"},
		"a path":                           {meta + "\n...\nfiles:\n  ../pier-1.2.3.tgz: " + sum.String() + "\n", "../pier"},
		"MD5":                              {meta + "\n...\nfiles:\n  pier-1.2.3.tgz: md5:d41d8cd98f00b204e9800998ecf8427e\n", "no sha256"},
		"no algorithm":                     {meta + "\n...\nfiles:\n  pier-1.2.3.tgz: " + sum.Encoded() + "\n", "no sha256"},
		"upper case":                       {meta + "\n...\nfiles:\n  pier-1.2.3.tgz: sha256:" + strings.ToUpper(sum.Encoded()) + "\n", "no sha256"},
		"one file twice":                   {said(sum) + "  pier-1.2.3.tgz: " + other.String() + "\n", "cannot be read"},
		"files twice":                      {said(sum) + "files:\n  pier-1.2.3.tgz: " + other.String() + "\n", "cannot be read"},
		"a list of files":                  {meta + "\n...\nfiles:\n- pier-1.2.3.tgz\n", "cannot be read"},
		"checksums that are no YAML":       {meta + "\n...\nfiles: [\n", "cannot be read"},
		"very many checksums":              {said(sum) + strings.Repeat("# no end\n", 1000), "more than"},
		"a Chart.yaml without a version":   {"apiVersion: v2\nname: pier\n\n...\n" + sums, "version"},
		"a Chart.yaml that is none":        {"- pier\n\n...\n" + sums, "Chart.yaml"},
		"a Chart.yaml with a path as name": {"apiVersion: v2\nname: ../pier\nversion: 1.2.3\n\n...\n" + sums, "name"},
	} {
		all = append(all, tampered{name: "signed: " + name, prov: clearSign(t, c.text, nil, alice().PrivateKey), says: c.says})
	}
	return all
}
