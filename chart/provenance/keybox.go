package provenance

import (
	"encoding/binary"
	"errors"
)

// A keybox (GnuPG 2.1, kbx/keybox-blob.c) is a row of blobs: the length of the
// blob (4 bytes, big endian, itself included), its type, its version, flags
// (2 bytes). The first blob is a header with a magic word. A blob of an OpenPGP
// key goes on with the offset of the key block in the blob and its length (4
// bytes each). Helm reads keyboxes since 4.3.
const (
	keyboxHeader    = 1 // blob types
	keyboxOpenPGP   = 2
	keyboxEphemeral = 1 << 1 // flag of a blob that GnuPG does not take for a part of the keyring
	keyboxMagic     = "KBXf" // at byte 8 of the header
)

var errKeybox = errors.New("the keybox is damaged")

func isKeybox(data []byte) bool {
	return len(data) >= 12 && data[4] == keyboxHeader && string(data[8:12]) == keyboxMagic
}

// keyBlocks returns the OpenPGP keys of a keybox as a row of packets.
func keyBlocks(data []byte) ([]byte, error) {
	var keys []byte
	for len(data) > 0 {
		if len(data) < 5 {
			return nil, errKeybox
		}
		size := uint64(binary.BigEndian.Uint32(data))
		if size < 5 || size > uint64(len(data)) {
			return nil, errKeybox
		}
		blob := data[:size]
		data = data[size:]
		if blob[4] != keyboxOpenPGP {
			continue
		}
		if size < 16 {
			return nil, errKeybox
		}
		from, length := uint64(binary.BigEndian.Uint32(blob[8:])), uint64(binary.BigEndian.Uint32(blob[12:]))
		if from+length > size {
			return nil, errKeybox
		}
		if binary.BigEndian.Uint16(blob[6:])&keyboxEphemeral == 0 {
			keys = append(keys, blob[from:from+length]...)
		}
	}
	return keys, nil
}
