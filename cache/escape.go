package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/opencontainers/go-digest"
)

// maxEscaped bounds a file name so that the name of its temporary file, 14
// bytes longer, fits everywhere: the least that file systems in use allow is
// 143 bytes (eCryptfs).
const maxEscaped = 128

// escapeTag makes a file name of a valid tag, another for each tag, also where
// file names differ by more than case only, and none that Windows reserves:
//
//	X      !x        upper case, as in Go's module cache
//	con.1  !_con.1   a device's name, whatever follows its first dot
//	1.     1.!-      Windows drops a dot at the end
//	long   !!<hex>   SHA-256 of a tag whose name would be too long
//
// The name is not read back: the file repeats its reference.
func escapeTag(tag string) string {
	var b strings.Builder
	if stem, _, _ := strings.Cut(tag, "."); isDevice(stem) {
		b.WriteString("!_")
	}
	for i := range len(tag) {
		c := tag[i]
		if 'A' <= c && c <= 'Z' {
			b.WriteByte('!')
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	if strings.HasSuffix(tag, ".") {
		b.WriteString("!-")
	}
	if b.Len() > maxEscaped {
		return "!!" + hashName(tag)
	}
	return b.String()
}

// escapeDigest makes a file name of a valid digest, as short as that of a tag:
// <algorithm>-<hex>, or !!<hex> for SHA-512. The name is not read back.
func escapeDigest(d digest.Digest) string {
	name := d.Algorithm().String() + "-" + d.Encoded()
	if len(name) > maxEscaped {
		return "!!" + hashName(name)
	}
	return name
}

// isDevice knows the names that Windows keeps for devices ("Naming Files,
// Paths, and Namespaces"), of those that a tag can spell. Upper-case ones
// need no care, since their escapes are no devices.
func isDevice(s string) bool {
	switch s {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(s) == 4 && (s[:3] == "com" || s[:3] == "lpt") && '0' <= s[3] && s[3] <= '9'
}

func hashName(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
