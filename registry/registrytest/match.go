package registrytest

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Tokens matches requests to the token service, for Faults.Match.
func Tokens(req *http.Request) bool { return req.URL.Path == tokenPath }

// Manifests matches requests for manifests, for Faults.Match.
func Manifests(req *http.Request) bool { return routeOf(req).kind == "manifests" }

// Blobs matches requests for blobs, uploads included, for Faults.Match.
func Blobs(req *http.Request) bool {
	r := routeOf(req)
	return r.kind == "blobs" || r.kind == "uploads"
}

// Uploads matches requests that upload blobs, for Faults.Match.
func Uploads(req *http.Request) bool { return routeOf(req).kind == "uploads" }

// TagLists matches requests for lists of tags, for Faults.Match.
func TagLists(req *http.Request) bool { return routeOf(req).kind == "tags" }

// Catalogs matches requests for the list of repositories, for Faults.Match.
func Catalogs(req *http.Request) bool { return req.URL.Path == catalogPath }

// ReferrerLists matches requests to the referrers API, for Faults.Match.
func ReferrerLists(req *http.Request) bool { return routeOf(req).kind == "referrers" }

// Method matches requests with one of the methods, for Faults.Match.
func Method(methods ...string) func(*http.Request) bool {
	return func(req *http.Request) bool { return slices.Contains(methods, req.Method) }
}

// Named matches requests for a manifest or blob by one of these tags or
// digests, for Faults.Match. With Corrupt it makes a mirror that lies about
// what is chosen: wrong bytes of the right length.
func Named(names ...string) func(*http.Request) bool {
	return func(req *http.Request) bool { return slices.Contains(names, routeOf(req).name) }
}

// All matches requests that every one of the conditions matches, for
// Faults.Match.
func All(conditions ...func(*http.Request) bool) func(*http.Request) bool {
	return func(req *http.Request) bool {
		return !slices.ContainsFunc(conditions, func(c func(*http.Request) bool) bool { return !c(req) })
	}
}

const catalogPath = "/v2/_catalog"

// routes are the paths below a repository (OCI distribution spec, Endpoints).
var routes = regexp.MustCompile(`^/v2/(.+)/(?:(manifests|referrers)/([^/]+)|blobs/(uploads)(?:/([^/]*))?|(blobs)/([^/]+)|(tags)/list)$`)

// route is what a path means: kind is manifests, referrers, uploads, blobs or
// tags, or nothing; name is the tag, digest or session.
type route struct{ repository, kind, name string }

func routeOf(req *http.Request) route {
	m := routes.FindStringSubmatch(req.URL.Path)
	if m == nil {
		return route{}
	}
	return route{m[1], m[2] + m[4] + m[6] + m[8], m[3] + m[5] + m[7]}
}

// digestName tells digests from tags.
func (r route) digestName() bool { return strings.Contains(r.name, ":") }
