package provenance

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/portolan-oci/portolan/internal/limit"
)

// maxKeyring bounds a keyring, which is held in memory: 1,000 keys, each with
// 32 KiB of what others have certified about it.
const maxKeyring = 32 << 20

// ErrKeyring: what was given as a keyring is none, or holds no key that can be
// used.
var ErrKeyring = errors.New("no usable keyring")

// Keyring holds OpenPGP keys. To verify with it is to trust each key in it
// for every chart. It is immutable and safe for concurrent use. The nil
// Keyring, like the zero one, holds no key.
type Keyring struct {
	entities openpgp.EntityList
}

// LoadKeyring reads the keyring in a file: see ReadKeyring. Errors are those of
// ReadKeyring and of the file system.
func LoadKeyring(path string) (*Keyring, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	k, err := ReadKeyring(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// ReadKeyring reads a keyring to its end, of at most 32 MiB: the binary form
// ("gpg --export", "gpg --export-secret-keys", GnuPG's former pubring.gpg and
// secring.gpg), the armored form of either, several one after the other
// included, or GnuPG's keybox (pubring.kbx). Keys that cannot be read or used
// are left out. Where a key is there more than once, each copy counts, and all
// share what revokes one of them.
//
// The error matches ErrKeyring where no key remains, or is one of r.
func ReadKeyring(r io.Reader) (*Keyring, error) {
	data, err := limit.ReadAll(r, maxKeyring)
	if errors.Is(err, limit.ErrExceeded) {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrKeyring, maxKeyring)
	}
	if err != nil {
		return nil, err
	}
	var all openpgp.EntityList
	switch {
	case isKeybox(data):
		if data, err = keyBlocks(data); err == nil {
			all, err = openpgp.ReadKeyRing(bytes.NewReader(data))
		}
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte("-----BEGIN PGP")):
		all, err = readArmored(data)
	default:
		all, err = openpgp.ReadKeyRing(bytes.NewReader(data))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrKeyring, shown(err.Error()))
	}
	// A key whose user IDs are all revoked and never signed states nothing of
	// itself, and the library takes for granted that it does.
	all = slices.DeleteFunc(all, func(e *openpgp.Entity) bool {
		self, _ := e.PrimarySelfSignature()
		return self == nil
	})
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: no key", ErrKeyring)
	}
	shareRevocations(all)
	return &Keyring{entities: all}, nil
}

// readArmored reads each block: "cat a.asc b.asc" makes a keyring, of which
// openpgp.ReadArmoredKeyRing sees the first.
func readArmored(data []byte) (openpgp.EntityList, error) {
	var all openpgp.EntityList
	// armor.Decode reads on in a bufio.Reader, and past a block in others.
	for in := bufio.NewReader(bytes.NewReader(data)); ; {
		block, err := armor.Decode(in)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if block.Type != openpgp.PublicKeyType && block.Type != openpgp.PrivateKeyType {
			return nil, fmt.Errorf("a block of keys is wanted, and this is a %s", block.Type)
		}
		keys, err := openpgp.ReadKeyRing(block.Body)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
}

// shareRevocations lets a revocation that one copy of a key carries hold for
// all of them: who appends a newer export to a keyring means it.
func shareRevocations(all openpgp.EntityList) {
	revocations := map[string][]*packet.Signature{}
	learn := func(key *packet.PublicKey, own []*packet.Signature) {
		revocations[string(key.Fingerprint)] = append(revocations[string(key.Fingerprint)], own...)
	}
	for _, e := range all {
		learn(e.PrimaryKey, e.Revocations)
		for _, sub := range e.Subkeys {
			learn(sub.PublicKey, sub.Revocations)
		}
	}
	for _, e := range all {
		e.Revocations = revocations[string(e.PrimaryKey.Fingerprint)]
		for i := range e.Subkeys {
			e.Subkeys[i].Revocations = revocations[string(e.Subkeys[i].PublicKey.Fingerprint)]
		}
	}
}
