package registrytest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
)

// Link is the form of a link to the next page (RFC 8288).
type Link int

// The forms.
const (
	LinkPath     Link = iota // </v2/app/tags/list?…>, as distribution and the spec have it
	LinkAbsolute             // <http://host/v2/app/tags/list?…>
	LinkRelative             // <list?…>, relative to the page's own URL
	LinkOpaque               // with a token in place of last, as Quay and GitLab have it
	LinkNone                 // none, though there is more: older Artifactory and Nexus
	LinkForeign              // to another host (oras-go GHSA-h7vf-4x9w-h99v): it must not be asked
	LinkEndless              // to the page itself, again and again
)

const opaqueParameter = "next_page"

func (h *handler) link(w http.ResponseWriter, req *http.Request, page []string) {
	query := req.URL.Query()
	query.Del(opaqueParameter)
	form := h.options.Lists.Link
	switch {
	case form == LinkEndless:
		query = req.URL.Query()
	case form == LinkOpaque:
		query.Del("last")
		query.Set(opaqueParameter, base64.RawURLEncoding.EncodeToString([]byte(page[len(page)-1])))
	default:
		query.Set("last", page[len(page)-1])
	}
	next := url.URL{Path: req.URL.Path, RawQuery: query.Encode()}
	switch form {
	case LinkNone:
		return
	case LinkAbsolute:
		next.Scheme, next.Host = scheme(req), req.Host
	case LinkRelative:
		next.Path = "list"
		if Catalogs(req) {
			next.Path = "_catalog"
		}
		if r := routeOf(req); r.kind == "referrers" {
			next.Path = "./" + r.name // or the digest's colon would end a scheme
		}
	case LinkForeign:
		next.Scheme, next.Host = scheme(req), h.server.Storage.Host
	}
	w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, next.String()))
}

// lastOf is what a page follows.
func lastOf(req *http.Request) string {
	query := req.URL.Query()
	if last, err := base64.RawURLEncoding.DecodeString(query.Get(opaqueParameter)); err == nil && len(last) > 0 {
		return string(last)
	}
	return query.Get("last")
}

func scheme(req *http.Request) string {
	if req.TLS != nil {
		return "https"
	}
	return "http"
}
