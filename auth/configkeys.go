package auth

import (
	"slices"
	"strings"
)

// hubKey is the key under which docker keeps Docker Hub's credential, in files
// and in helpers.
const hubKey = "https://index.docker.io/v1/"

// canonicalKey is the key under which a credential for r is written.
func canonicalKey(r Resource) string {
	switch {
	case r.Path != "":
		return r.canonical().String()
	case r.isHub():
		return hubKey
	}
	return r.Host
}

// hostKeys are the keys of r's host in credHelpers, the canonical one first.
func hostKeys(r Resource) []string {
	if r.isHub() {
		return append([]string{hubKey}, hubHosts...)
	}
	return []string{r.Host}
}

// hostSpellings are the keys under which tools have kept credentials for a
// whole host, in the order in which they count. A key with any other path is
// for that path only and never answers for the host: docker takes whichever
// comes first in a random order.
func hostSpellings(r Resource) []string {
	var keys []string
	for _, host := range hostKeys(r) {
		keys = append(keys, host)
		if strings.Contains(host, "://") {
			continue
		}
		keys = append(keys, host+"/")
		for _, scheme := range []string{"https://", "http://"} {
			for _, end := range []string{"", "/", "/v1/", "/v2/", "/v1", "/v2"} {
				keys = append(keys, scheme+host+end)
			}
		}
	}
	return unique(keys)
}

// pathSpellings are the keys for exactly the path of r.
func pathSpellings(r Resource) []string {
	hosts := []string{r.Host}
	if r.isHub() {
		hosts = hubHosts
	}
	keys := make([]string, len(hosts))
	for i, h := range hosts {
		keys[i] = h + "/" + r.Path
	}
	return keys
}

// hubTokenKeys are where docker's browser login keeps its own tokens. They are
// of no use to a registry, and are removed with the rest.
var hubTokenKeys = []string{hubKey + "access-token", hubKey + "refresh-token"}

func unique(list []string) []string {
	var kept []string
	if len(list) <= 64 { // such as the spellings of a host, for which a map costs more
		for _, s := range list {
			if !slices.Contains(kept, s) {
				kept = append(kept, s)
			}
		}
		return kept
	}
	seen := make(map[string]bool, len(list))
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			kept = append(kept, s)
		}
	}
	return kept
}

// foldHost lowers the host of a key, and nothing of its path.
func foldHost(key string) string {
	scheme, rest, found := strings.Cut(key, "://")
	if !found {
		scheme, rest = "", key
	} else {
		scheme = strings.ToLower(scheme) + "://"
	}
	end := strings.IndexByte(rest, '/')
	if end < 0 {
		end = len(rest)
	}
	return scheme + strings.ToLower(rest[:end]) + rest[end:]
}

// matchKeys returns the keys of o that are spelled like key but for the case
// of the host, an exact match first.
func (o object) matchKeys(key string) []string {
	var keys []string
	for _, m := range o {
		switch {
		case m.key == key:
			keys = append([]string{m.key}, keys...)
		case foldHost(m.key) == key:
			keys = append(keys, m.key)
		}
	}
	return unique(keys)
}
