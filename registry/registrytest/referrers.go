package registrytest

import (
	"encoding/json"
	"net/http"
	"strconv"

	"cuelabs.dev/go/oci/ociregistry"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ReferrersForm is what stands where the referrers API should be.
type ReferrersForm int

// The forms.
const (
	ReferrersAPI      ReferrersForm = iota // the API (OCI distribution spec 1.1, Listing Referrers), unless NoReferrers
	ReferrersLimited                       // 429 for the API alone (artifacthub#4785)
	ReferrersRedirect                      // 303 to a web page, as ghcr.io does
	ReferrersHTML                          // 200 with a web page
)

// none tells whether there is no referrers API, in one way or another.
func (o *Options) noReferrers() bool { return o.NoReferrers || o.Referrers != ReferrersAPI }

const webPath = "/web" // of the page to which ReferrersRedirect leads

func (h *handler) listReferrers(w http.ResponseWriter, req *http.Request, r route) {
	switch {
	case h.options.NoReferrers:
		writeError(w, http.StatusNotFound, "NOT_FOUND", "404 page not found")
		return
	case h.options.Referrers == ReferrersLimited:
		writeError(w, http.StatusTooManyRequests, "TOOMANYREQUESTS", "of these")
		return
	case h.options.Referrers == ReferrersRedirect:
		http.Redirect(w, req, webPath, http.StatusSeeOther)
		return
	case h.options.Referrers == ReferrersHTML:
		writePage(w)
		return
	}
	want, err := digest.Parse(r.name)
	if err != nil {
		writeError(w, http.StatusBadRequest, "DIGEST_INVALID", "no digest")
		return
	}
	kind := req.URL.Query().Get("artifactType")
	var names []string
	found := map[string]ociregistry.Descriptor{}
	for d, err := range h.mem.Referrers(req.Context(), r.repository, want, kind) {
		if err != nil {
			fail(w, err)
			return
		}
		names = append(names, d.Digest.String())
		found[d.Digest.String()] = d
	}
	page, ok := h.page(w, req, names)
	if !ok {
		return
	}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	for _, name := range page {
		index.Manifests = append(index.Manifests, found[name])
	}
	content, err := json.Marshal(index)
	if err != nil {
		fail(w, err)
		return
	}
	if kind != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.Write(content)
}

// writePage is what a person would be shown.
func writePage(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write([]byte("<!DOCTYPE html><title>Sign in</title>Welcome to the harbour's network."))
}
