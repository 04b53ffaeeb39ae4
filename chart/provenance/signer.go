package provenance

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/chart"
)

// ErrPassphrase: the passphrase does not open the key.
var ErrPassphrase = errors.New("wrong passphrase")

// Passphrase answers with the passphrase of a key. It is asked once, by
// NewSigner, and only where the key has one. The bytes belong to NewSigner,
// which overwrites them with zeros.
type Passphrase func(ctx context.Context, key *Key) ([]byte, error)

// Signer is a chart.Signer. It holds its key opened, in memory, for as long as
// it lives. It is immutable and safe for concurrent use.
type Signer struct {
	key *packet.PrivateKey
}

var _ chart.Signer = (*Signer)(nil)

// NewSigner makes a signer of a key: of its newest subkey for signing if it
// has one, else of the key itself. passphrase may be nil where the key has
// none.
//
// The error matches ErrKeyNotFound where the key has expired, is revoked, may
// not sign, or is RSA or DSA of fewer than 2048 bits; ErrPassphrase where it
// does not open, or has a passphrase and nobody to ask for it; or it is the
// one of passphrase.
func NewSigner(ctx context.Context, key *Key, passphrase Passphrase) (*Signer, error) {
	if key == nil || key.entity == nil {
		return nil, fmt.Errorf("%w: none is given", ErrKeyNotFound)
	}
	signing, ok := key.entity.SigningKey(time.Now())
	if !ok {
		return nil, fmt.Errorf("%w: %s has expired, is revoked or is not meant for it", ErrKeyNotFound, title(key.entity))
	}
	if signing.PrivateKey == nil || signing.PrivateKey.Dummy() {
		return nil, fmt.Errorf("%w: the secret half of %s is elsewhere, on a card perhaps", ErrKeyNotFound, title(key.entity))
	}
	if err := checkStrength(signing.PublicKey); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyNotFound, err)
	}
	opened := *signing.PrivateKey // the one in the keyring stays closed
	if !opened.Encrypted {
		return &Signer{&opened}, nil
	}
	if passphrase == nil {
		return nil, fmt.Errorf("%w: %s has one, and none is given", ErrPassphrase, title(key.entity))
	}
	secret, err := passphrase(ctx, key)
	defer clear(secret)
	if err != nil {
		return nil, err
	}
	if err := opened.Decrypt(secret); err != nil {
		if _, ok := errors.AsType[pgperrors.UnsupportedError](err); ok {
			return nil, fmt.Errorf("%w: %s is locked in a way that is not supported", ErrKeyNotFound, title(key.entity))
		}
		return nil, fmt.Errorf("%w for %s", ErrPassphrase, title(key.entity))
	}
	return &Signer{&opened}, nil
}

// Sign reads the archive to its end, twice, and returns its .prov file. The
// signature is made with SHA-512, as Helm's, or the strongest hash that the
// key allows. The file that it names is <name>-<version>.tgz by Chart.yaml.
// Errors are those of chart.Archive's Metadata, and of reading it.
func (s *Signer) Sign(ctx context.Context, archive *chart.Archive) ([]byte, error) {
	m, err := archive.Metadata()
	if err != nil {
		return nil, err
	}
	hash := digest.SHA256.Digester()
	if _, err := io.Copy(hash.Hash(), &interruptible{ctx, archive.Reader()}); err != nil {
		return nil, fmt.Errorf("sign %s: %w", fileName(m), err)
	}
	said := &statement{metadata: m, file: fileName(m), archive: hash.Digest()}
	text, err := said.text()
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", said.file, err)
	}
	prov, err := s.clearSign(text)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", said.file, err)
	}
	// What is not read back as it was meant would be refused everywhere.
	block, err := decode(prov)
	if err == nil {
		var read *statement
		if read, err = readStatement(block.Plaintext); err == nil && read.archive != said.archive {
			err = errors.New("the checksum does not read back")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", said.file, err)
	}
	return prov, nil
}

func (s *Signer) clearSign(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := clearsign.Encode(&out, s.key, &packet.Config{DefaultHash: crypto.SHA512})
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err // and no Close, which would sign a part
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// interruptible ends a long read when its context ends.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}
