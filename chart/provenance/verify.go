package provenance

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/chart"
)

const (
	// maxProvenance bounds a .prov file: a Chart.yaml of 1 MiB, a name, a
	// checksum, and signatures.
	maxProvenance = 1<<20 + 256<<10
	// maxSignatures bounds the signatures under one text: one is made by each
	// signer, and most charts have one.
	maxSignatures = 16
)

// Verification tells what a provenance file says, and who says so.
type Verification struct {
	// Name and Version are those of the signed Chart.yaml.
	Name, Version string
	// Archive is the digest of the archive, <name>-<version>.tgz.
	Archive digest.Digest
	// Identity is the primary user ID of the key that has signed, as the
	// keyring has it. Fingerprint is that of the key, its primary one where a
	// subkey has signed, in upper-case hexadecimal.
	Identity, Fingerprint string
	// Signed is when, as the signer says.
	Signed time.Time
}

// String names the signer, fit to be printed: "Alice <alice@example.com>
// (OpenPGP 0123…)".
func (v *Verification) String() string {
	return shown(v.Identity) + " (OpenPGP " + v.Fingerprint + ")"
}

// Verify checks the provenance file of an archive, of which only the sha256
// digest is needed: a layer's digest in a registry. All of these must hold:
//
//   - the file is one text that is signed as a whole (RFC 9580, section 7),
//     with nothing but white space around it, of at most 1.25 MiB;
//   - a key of the keyring has signed it, which is meant for signing; RSA and
//     DSA have at least 2048 bits;
//   - key and signature are valid at the time at (zero: now): not expired, not
//     revoked, not from the future; the hash is SHA-2 or SHA-3. Helm refuses
//     MD5 and RIPEMD-160 too, and takes SHA-1;
//   - the text is a Chart.yaml and the checksum of one file, named
//     <name>-<version>.tgz by that Chart.yaml, and the checksum is archive.
//
// Several signatures under the text are allowed, of which one must hold; those
// of keys outside the keyring do not count.
//
// Whether the chart is the one that was wanted is for the caller to compare;
// NewVerifier does. The error matches chart.ErrVerification.
func Verify(provenance []byte, archive digest.Digest, keys *Keyring, at time.Time) (*Verification, error) {
	v, err := verify(provenance, archive, keys, at)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", chart.ErrVerification, err)
	}
	return v, nil
}

func verify(provenance []byte, archive digest.Digest, keys *Keyring, at time.Time) (*Verification, error) {
	block, err := decode(provenance)
	if err != nil {
		return nil, err
	}
	if at.IsZero() {
		at = time.Now()
	}
	signer, signature, err := keys.signer(block, at)
	if err != nil {
		return nil, err
	}
	said, err := readStatement(block.Plaintext)
	if err != nil {
		return nil, err
	}
	v := &Verification{
		Name: said.metadata.Name, Version: said.metadata.Version, Archive: said.archive,
		Fingerprint: fingerprint(signer), Signed: signature.CreationTime,
	}
	if ids := identities(signer); len(ids) > 0 {
		v.Identity = ids[0]
	}
	switch {
	case archive.Validate() != nil || archive.Algorithm() != digest.SHA256:
		return nil, fmt.Errorf("the archive is known as %q, and its signed checksum is a sha256", shown(archive.String()))
	case archive != said.archive:
		return nil, fmt.Errorf("the archive is %s, and %s signed %s for %s", archive, v, said.archive, shown(said.file))
	}
	return v, nil
}

// decode takes a clear-signed file apart. Text around the signed one would
// pass for signed where people read it.
func decode(provenance []byte) (*clearsign.Block, error) {
	if len(provenance) > maxProvenance {
		return nil, fmt.Errorf("the provenance file has more than %d bytes", maxProvenance)
	}
	const begin = "-----BEGIN PGP SIGNED MESSAGE-----"
	text := bytes.TrimSpace(provenance)
	if !bytes.HasPrefix(text, []byte(begin)) {
		return nil, errors.New("the provenance file does not begin with a signed text")
	}
	block, rest := clearsign.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("the provenance file is no signed text, or a part of one")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("the provenance file goes on after the signed text")
	}
	return block, nil
}

// signer finds who has signed the block.
func (k *Keyring) signer(block *clearsign.Block, at time.Time) (*openpgp.Entity, *packet.Signature, error) {
	// What the armor holds is shorter than the file that decode has measured.
	armored, err := io.ReadAll(block.ArmoredSignature.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("the signature is damaged: %s", shown(err.Error()))
	}
	signatures, err := readSignatures(armored)
	if err != nil {
		return nil, nil, err
	}
	var refused error
	for _, e := range k.of(signatures) {
		signature, err := checkOne(e, block.Bytes, armored, at)
		if err == nil {
			return e, signature, nil
		}
		refused = errors.Join(refused, err)
	}
	if refused == nil {
		return nil, nil, fmt.Errorf("signed by a key that is not in the keyring: %s", keyIDs(signatures))
	}
	return nil, nil, refused
}

func readSignatures(armored []byte) ([]*packet.Signature, error) {
	var all []*packet.Signature
	for packets := packet.NewReader(bytes.NewReader(armored)); ; {
		p, err := packets.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the signature is damaged: %s", shown(err.Error()))
		}
		s, ok := p.(*packet.Signature)
		if !ok || s.IssuerKeyId == nil || len(all) == maxSignatures {
			return nil, fmt.Errorf("the signature is not one of at most %d OpenPGP signatures that name their key", maxSignatures)
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, errors.New("the signature is empty, or of a kind that is not supported")
	}
	return all, nil
}

// of returns the keys that the signatures say they are of.
func (k *Keyring) of(signatures []*packet.Signature) []*openpgp.Entity {
	if k == nil {
		return nil
	}
	var all []*openpgp.Entity
	for _, e := range k.entities {
		for _, s := range signatures {
			if len(openpgp.EntityList{e}.KeysById(*s.IssuerKeyId)) > 0 {
				all = append(all, e)
				break
			}
		}
	}
	return all
}

func keyIDs(signatures []*packet.Signature) string {
	var b bytes.Buffer
	for i, s := range signatures {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%016X", *s.IssuerKeyId)
	}
	return b.String()
}

// checkOne checks the signature that one key has made, key and all.
func checkOne(e *openpgp.Entity, text, armored []byte, at time.Time) (*packet.Signature, error) {
	config := &packet.Config{Time: func() time.Time { return at }}
	one := openpgp.EntityList{e}
	signature, _, err := openpgp.VerifyDetachedSignature(one, bytes.NewReader(text), bytes.NewReader(armored), config)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", title(e), reason(err))
	}
	switch signature.Hash {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA224, crypto.SHA3_256, crypto.SHA3_512:
	default:
		return nil, fmt.Errorf("%s: the signature is made with %s, which can be forged", title(e), signature.Hash)
	}
	for _, key := range one.KeysById(*signature.IssuerKeyId) {
		if err := checkStrength(key.PublicKey); err != nil {
			return nil, fmt.Errorf("%s: %w", title(e), err)
		}
	}
	return signature, nil
}

func reason(err error) string {
	switch {
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return "the key has expired, or is not valid yet"
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return "the key is revoked"
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return "the signature has expired, or is from the future"
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return "the key is not meant for signing"
	}
	return "the signature does not fit the text: " + shown(err.Error())
}
