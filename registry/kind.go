package registry

import (
	"slices"
	"strings"
	"time"
)

// hosted are services that are known by their host's name.
var hosted = []struct{ suffix, kind string }{
	{"docker.io", "docker hub"},
	{"ghcr.io", "github"},
	{"quay.io", "quay"},
	{"registry.gitlab.com", "gitlab"},
	{"public.ecr.aws", "ecr public"},
	{".amazonaws.com", "ecr"},
	{".amazonaws.com.cn", "ecr"},
	{".azurecr.io", "acr"},
	{".pkg.dev", "artifact registry"},
	{"gcr.io", "artifact registry"},
	{".jfrog.io", "artifactory"},
}

// learnKind finds out from what is known of a host which kind of registry it
// is: by its name, by the name it gives its token service, or by its
// extensions. None of it is a question.
func learnKind(k *Capabilities, now time.Time) {
	if now.Before(k.Kind.until) {
		return
	}
	kind, source := "", SourceLearned
	for _, h := range hosted {
		if k.Host == strings.TrimPrefix(h.suffix, ".") || strings.HasSuffix(k.Host, "."+strings.TrimPrefix(h.suffix, ".")) {
			kind, source = h.kind, SourceKnown
			break
		}
	}
	for _, c := range k.Authentication.Value {
		switch {
		case kind != "":
		case c.Service == "harbor-registry":
			kind = "harbor"
		case c.Service == "container_registry" && strings.HasSuffix(c.Realm, "/jwt/auth"):
			kind = "gitlab"
		case c.Realm == "Sonatype Nexus Repository Manager":
			kind = "nexus"
		}
	}
	switch server := strings.ToLower(k.Server.Value); {
	case kind != "":
	case slices.Contains(k.Extensions.Value, "_zot"):
		kind = "zot"
	case strings.HasPrefix(server, "nexus/"):
		kind = "nexus"
	}
	if kind != "" {
		k.Kind.set(now, kind, source, 0, true)
	}
}

// refineCatalog says of a catalog what the kind of registry tells beyond the
// answer itself.
func refineCatalog(k *Capabilities, now time.Time) {
	access := CatalogUnknown
	answers := k.Catalog.Value == CatalogListed
	switch {
	case k.Kind.Value == "harbor" && answers:
		access = CatalogAll
	case k.Kind.Value == "harbor" && k.Catalog.Value == CatalogUnknown: // "only for system admin"
		access = CatalogAdmin
	case k.Kind.Value == "zot" && answers:
		access = CatalogFiltered
	}
	if access != CatalogUnknown {
		k.Catalog.set(now, access, SourceKnown, k.Catalog.Requests, answers)
	}
}
