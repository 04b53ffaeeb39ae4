package registry

import "strings"

// TagOfVersion spells a version as a tag: tags cannot hold "+", so Helm's
// convention writes "_" for it (HIP-0006). Other strings come back unchanged.
func TagOfVersion(version string) string { return strings.ReplaceAll(version, "+", "_") }

// VersionOfTag reads a tag as the version that TagOfVersion spelled. Since
// "_" occurs in no semantic version, this loses nothing for versions; for
// other tags the answer is not meaningful.
func VersionOfTag(tag string) string { return strings.ReplaceAll(tag, "_", "+") }

// ValidTag tells whether the OCI distribution spec allows tag as a tag.
func ValidTag(tag string) bool { return tagPattern.MatchString(tag) }
