package registry

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	_ "github.com/portolan-oci/portolan/internal/verify" // links the digest algorithms
)

// Reference names a repository in a registry and, where Tag or Digest stand,
// a manifest in it. Where both stand, the digest decides what content is and
// the tag is a remark; see [Client] and the CheckTag options of its callers.
//
// The zero Reference names nothing; [Reference.IsZero] tells. A Reference is
// a value: comparable, safe to share, usable as a map key.
type Reference struct {
	// Host is the registry: a DNS name, an IPv4 address or an IPv6 address in
	// brackets, with an optional port, as in "localhost:5000". Lower case.
	Host string
	// Repository is the path below the host, as in "team/app", in the grammar
	// of the OCI distribution spec.
	Repository string
	// Tag is the tag as the registry stores it: a version's "+" is "_" here
	// (see TagOfVersion). Empty: none.
	Tag string
	// Digest is "algorithm:hex" with a known algorithm. Empty: none.
	Digest digest.Digest
}

// maxNameLength bounds host and repository together: many registries keep the
// whole name in one field of 255 characters (OCI distribution spec, Pulling
// manifests, advises clients to respect it).
const maxNameLength = 255

var (
	repositoryPattern = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagPattern        = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	hostPattern       = regexp.MustCompile(`^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$`)
)

// ParseReference reads "host[:port]/repository[:tag][@digest]", with or
// without "oci://" before it. Nothing is added to what stands there: no host,
// no "library/", no "latest". In the tag, a version's "+" is accepted for "_".
//
// The error is a *ReferenceError and matches ErrInvalidReference.
// ParseReference(r.String()) gives r again.
func ParseReference(s string) (Reference, error) {
	fail := func(problem, hint string) (Reference, error) {
		return Reference{}, &ReferenceError{Reference: s, Problem: problem, Hint: hint}
	}
	s, user := cutUser(s)
	if user {
		return fail("user name and password stand in it", "log in to the host, and leave them out")
	}
	rest := strings.TrimPrefix(s, "oci://")
	if scheme, after, ok := strings.Cut(rest, "://"); ok {
		return fail(fmt.Sprintf("%q is no prefix of a reference", scheme+"://"), fmt.Sprintf("write %s", after))
	}
	name, digestPart, hasDigest := strings.Cut(rest, "@")
	host, path, hasPath := strings.Cut(name, "/")
	if !hasPath || path == "" {
		return fail("no repository after the host", "write host/repository, as in ghcr.io/team/app:1.0.0")
	}
	if problem := checkHost(host); problem != "" {
		return fail(problem, "")
	}
	r := Reference{Host: strings.ToLower(host)}
	repository, tag, hasTag := cutTag(path)
	r.Repository = repository
	if lower := strings.ToLower(repository); lower != repository && repositoryPattern.MatchString(lower) {
		return fail("the repository has upper-case letters", fmt.Sprintf("write %s/%s", r.Host, lower))
	}
	if !repositoryPattern.MatchString(repository) {
		return fail(fmt.Sprintf("%q is no repository name", repository), "use lower-case letters and digits, separated by . _ - or /")
	}
	if n := len(r.Host) + 1 + len(repository); n > maxNameLength {
		return fail(fmt.Sprintf("host and repository have %d characters", n), fmt.Sprintf("at most %d are portable", maxNameLength))
	}
	if hasTag {
		r.Tag = TagOfVersion(tag)
		if !tagPattern.MatchString(r.Tag) {
			return fail(fmt.Sprintf("%q is no tag", tag), "use at most 128 letters, digits, . _ and -, the first one no . or -")
		}
	}
	if hasDigest {
		d, err := digest.Parse(digestPart)
		if err != nil {
			return fail(fmt.Sprintf("%q is no digest", digestPart), "write sha256: and 64 lower-case hexadecimal digits")
		}
		r.Digest = d
	}
	return r, nil
}

// cutUser takes "user:password@" away, so that no error repeats it. A digest
// directly after a host is none.
func cutUser(s string) (rest string, found bool) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = "", s
	} else {
		scheme += "://"
	}
	authority, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndex(authority, "@")
	if at < 0 || digest.Digest(rest[at+1:]).Validate() == nil {
		return s, false
	}
	return scheme + rest[at+1:], true
}

// cutTag splits at the last colon of the last path segment, so that neither a
// port nor an earlier segment is taken for a tag.
func cutTag(path string) (repository, tag string, found bool) {
	i := strings.LastIndex(path, ":")
	if i < strings.LastIndex(path, "/") {
		return path, "", false
	}
	if i < 0 {
		return path, "", false
	}
	return path[:i], path[i+1:], true
}

// checkHost says what is wrong with a host, or nothing. A single label without
// a port is refused, localhost excepted: it is the first segment of a short
// name, and whose registry that means is not for this package to guess.
func checkHost(host string) string {
	if host == "" {
		return "no registry host"
	}
	name, port := host, ""
	if i := strings.LastIndex(host, ":"); i > strings.LastIndex(host, "]") {
		name, port = host[:i], host[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Sprintf("%q is no port", port)
		}
	}
	if strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") {
		if ip := net.ParseIP(name[1 : len(name)-1]); ip == nil || !strings.Contains(name, ":") {
			return fmt.Sprintf("%q is no IPv6 address", name)
		}
		return ""
	}
	lower := strings.ToLower(name)
	if !hostPattern.MatchString(lower) {
		return fmt.Sprintf("%q is no host name", name)
	}
	if port == "" && lower != "localhost" && !strings.Contains(lower, ".") {
		return fmt.Sprintf("no registry host: %q is neither a DNS name with a dot nor has a port", name)
	}
	return ""
}

// String prints the reference as ParseReference reads it, without "oci://".
// Tag and digest are both printed where both stand, and stand alone where there
// is no repository. The zero Reference is empty.
func (r Reference) String() string {
	if r.Host == "" && r.Repository == "" { // what is in a layout, by its tag or digest
		return strings.Trim(r.Tag+"@"+r.Digest.String(), "@")
	}
	var b strings.Builder
	b.WriteString(r.Name())
	if r.Tag != "" {
		b.WriteString(":" + r.Tag)
	}
	if r.Digest != "" {
		b.WriteString("@" + r.Digest.String())
	}
	return b.String()
}

// Name prints host and repository alone.
func (r Reference) Name() string { return r.Host + "/" + r.Repository }

// IsZero tells whether r names nothing.
func (r Reference) IsZero() bool { return r == Reference{} }

// WithTag returns r with that tag, in either spelling of a version, and
// without a digest. It does not check the tag: the registry call will.
func (r Reference) WithTag(tag string) Reference {
	r.Tag, r.Digest = TagOfVersion(tag), ""
	return r
}

// WithDigest returns r with that digest; a tag stays as the remark it is.
func (r Reference) WithDigest(d digest.Digest) Reference {
	r.Digest = d
	return r
}

// Repo returns r without tag and digest.
func (r Reference) Repo() Reference { return Reference{Host: r.Host, Repository: r.Repository} }

// Object returns what decides in r: the digest, else the tag, else "". It is
// the form that [Source.Resolve] takes.
func (r Reference) Object() string {
	if r.Digest != "" {
		return r.Digest.String()
	}
	return r.Tag
}

// MarshalText prints r, for JSON and flags.
func (r Reference) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText parses what MarshalText prints; empty text is the zero value.
func (r *Reference) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*r = Reference{}
		return nil
	}
	parsed, err := ParseReference(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}
