package auth

import (
	"cmp"
	"errors"
	"net"
	"path"
	"slices"
	"strings"
)

// imagePattern is a key of a pull secret or of a plugin's answer, or one of a
// plugin's matchImages, as the kubelet reads them (KEP-2133): a host whose
// labels may hold wildcards, which never reach over a dot, a port that must be
// the same or absent in both, and a literal path. Other than for the kubelet,
// for which host/team covers host/teams too, a path ends at a slash.
type imagePattern struct {
	labels []string // of the host, in lower case
	port   string   // without its colon; may be empty
	path   string   // no slash at either end; may be empty
}

// parseImagePattern reads a pattern. A scheme is dropped, and so is the /v1/ or
// /v2/ before a path, with which docker's older keys begin.
func parseImagePattern(s string) (imagePattern, error) {
	rest := s
	for _, scheme := range []string{"https://", "http://"} {
		rest = strings.TrimPrefix(rest, scheme)
	}
	if strings.ContainsAny(rest, "@ \\") || strings.Contains(rest, "://") {
		return imagePattern{}, errors.New("it is not of the form host[:port][/path]")
	}
	hostport, p, _ := strings.Cut(rest, "/")
	for _, version := range []string{"v1/", "v2/"} {
		if after, found := strings.CutPrefix(p, version); found {
			p = after
			break
		}
	}
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = hostport, ""
	}
	if host == "" || strings.Contains(port, "*") {
		return imagePattern{}, errors.New("it has no host, or a port that is no number")
	}
	pattern := imagePattern{port: port, path: strings.Trim(p, "/")}
	if host = strings.ToLower(host); isIPv6(host) {
		pattern.labels = []string{"[" + strings.Trim(host, "[]") + "]"}
		return pattern, nil
	}
	pattern.labels = strings.Split(host, ".")
	for _, label := range pattern.labels {
		if _, err := path.Match(label, ""); err != nil || label == "" {
			return imagePattern{}, errors.New("its host is not a pattern")
		}
	}
	return pattern, nil
}

// isIPv6 tells an address, whose brackets are no character class.
func isIPv6(host string) bool { return strings.Contains(host, ":") }

func hasWildcard(label string) bool {
	return !isIPv6(label) && strings.ContainsAny(label, "*?[")
}

// matches tells whether the pattern covers r. One that fits any of the names of
// Docker Hub fits all of them.
func (p imagePattern) matches(r Resource) bool {
	hosts := []string{r.Host}
	if r.isHub() {
		hosts = hubHosts
	}
	return slices.ContainsFunc(hosts, p.matchesHost) &&
		(p.path == "" || p.path == r.Path || strings.HasPrefix(r.Path, p.path+"/"))
}

func (p imagePattern) matchesHost(hostport string) bool {
	target, err := parseImagePattern(hostport)
	if err != nil || target.port != p.port || len(target.labels) != len(p.labels) {
		return false
	}
	for i, label := range p.labels {
		if !hasWildcard(label) && label != target.labels[i] {
			return false
		}
		if fits, err := path.Match(label, target.labels[i]); hasWildcard(label) && (err != nil || !fits) {
			return false
		}
	}
	return true
}

// compareImagePatterns orders patterns that match the same resource: host
// names before wildcards, from the left, then the longer path. For patterns
// with no wildcard but the star that is the kubelet's own order, which sorts
// the texts backwards.
func compareImagePatterns(a, b imagePattern) int {
	byLabel := slices.CompareFunc(a.labels, b.labels, func(x, y string) int {
		switch wildX, wildY := hasWildcard(x), hasWildcard(y); {
		case wildX == wildY:
			return strings.Compare(y, x)
		case wildY:
			return -1
		}
		return 1
	})
	return cmp.Or(byLabel, cmp.Compare(len(b.path), len(a.path)))
}

// matchingImages returns those of the patterns that match r, the best one
// first; equally good ones, which are spelled differently, come in the order
// of their texts. What is no pattern matches nothing.
func matchingImages(patterns []string, r Resource) []string {
	type candidate struct {
		text    string
		pattern imagePattern
	}
	var fitting []candidate
	for _, text := range patterns {
		if p, err := parseImagePattern(text); err == nil && p.matches(r) {
			fitting = append(fitting, candidate{text, p})
		}
	}
	slices.SortFunc(fitting, func(a, b candidate) int {
		return cmp.Or(compareImagePatterns(a.pattern, b.pattern), strings.Compare(a.text, b.text))
	})
	texts := make([]string, len(fitting))
	for i, c := range fitting {
		texts[i] = c.text
	}
	return texts
}
