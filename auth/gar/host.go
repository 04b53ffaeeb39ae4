package gar

import (
	"regexp"
	"strings"
)

// registryHost is a repository location of Artifact Registry,
// "us-central1-docker.pkg.dev", or Container Registry with its locations and
// mirrors, "gcr.io", "eu.gcr.io". A DNS label has at most 63 characters.
var registryHost = regexp.MustCompile(`^([a-z0-9]+(-[a-z0-9]+)*-docker\.pkg\.dev|([a-z0-9]+(-[a-z0-9]+)*\.)?gcr\.io)$`)

const maxLabel = 63

// matchHost gives the name of a registry of Google without a port.
func matchHost(host string) (name string, ours bool) {
	name = strings.TrimSuffix(host, ":443")
	label, _, _ := strings.Cut(name, ".")
	if len(label) > maxLabel || !registryHost.MatchString(name) {
		return "", false
	}
	return name, true
}
