package registry

import "strings"

// TagOfVersion spells a version as a tag: tags cannot hold "+", so Helm's
// convention writes "_" for it (HIP-0006). Other strings come back unchanged.
func TagOfVersion(version string) string { return strings.ReplaceAll(version, "+", "_") }

// VersionOfTag reads a tag as the version that TagOfVersion spelled. Since
// "_" occurs in no semantic version, this loses nothing for versions; for
// other tags the answer is not meaningful.
func VersionOfTag(tag string) string { return strings.ReplaceAll(tag, "_", "+") }

// ValidTag tells whether the OCI distribution spec allows tag as a tag. It is
// asked for every tag of a list, so it does without tagPattern.
func ValidTag(tag string) bool {
	if tag == "" || len(tag) > 128 || tag[0] == '.' || tag[0] == '-' {
		return false
	}
	for _, c := range []byte(tag) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}
