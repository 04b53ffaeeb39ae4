package registrytest

import (
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
)

// Location is the form of the location of an upload's session (OCI
// distribution spec 1.1, Pushing blobs: absolute or relative).
type Location int

// The forms.
const (
	LocationPath     Location = iota // /v2/app/blobs/uploads/…
	LocationAbsolute                 // http://host/v2/app/blobs/uploads/…, as distribution says it
	LocationRelative                 // the session's name alone, relative to the request's URL
	LocationStorage                  // a signed URL of the Storage, which refuses credentials (oras-go GHSA-jxpm-75mh-9fp7)
)

const stateParameter = "_state"

// stateOf is what a session's query must bring back. Its characters are those
// that a client breaks which unescapes and escapes again.
func stateOf(name string) string {
	return digest.FromString("state of " + name).Encoded()[:16] + "+/=&%20"
}

// location is where a session goes on.
func (h *handler) location(req *http.Request, repository, name string) string {
	query := url.Values{}
	if h.options.Uploads.Query {
		query.Set(stateParameter, stateOf(name))
	}
	u := url.URL{Path: "/v2/" + repository + "/blobs/uploads/" + name, RawQuery: query.Encode()}
	switch h.options.Uploads.Location {
	case LocationAbsolute:
		u.Scheme, u.Host = scheme(req), req.Host
	case LocationRelative:
		u.Path = name
	case LocationStorage:
		signed := h.server.Storage.sign("/upload/" + repository + "/" + name)
		if u.RawQuery != "" {
			signed += "&" + u.RawQuery
		}
		return signed
	}
	return u.String()
}

func digestOf(header http.Header) digest.Digest {
	return digest.Digest(header.Get("Docker-Content-Digest"))
}
