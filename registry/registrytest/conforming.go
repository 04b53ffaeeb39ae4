package registrytest

import (
	"net/http"
	"sync"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
	"github.com/opencontainers/go-digest"
)

// handler is the registry itself. It stands before ociserver and answers as
// the OCI distribution spec says where that, at the version in use, does not:
// lists are never null and know n=0, ranges may be suffixes, a manifest that is
// no JSON, is too large or names what is not here is the client's error, a blob
// that cannot be mounted is one to upload, uploads can be cancelled, a part may
// be one byte, and with a manifest go its tags. In each place it does otherwise where an option says so.
type handler struct {
	server  *Server
	options *Options
	mem     *ocimem.Registry
	oci     http.Handler
	uploads sessions

	mu     sync.Mutex
	tags   map[string][]string    // sorted lists, until something is written
	lost   map[digest.Digest]bool // blobs that are gone, though HEAD says otherwise
	tagged sync.Mutex             // held while a tag is looked at and moved
}

func newHandler(s *Server) *handler {
	// What passes through has its manifests before their blobs.
	mem := ocimem.NewWithConfig(&ocimem.Config{LaxChildReferences: s.options.Upstream != ""})
	return &handler{
		server:  s,
		options: &s.options,
		mem:     mem,
		oci:     ociserver.New(mem, &ociserver.Options{DisableSinglePostUpload: !s.options.Uploads.SinglePost}),
		uploads: sessions{open: map[string]*session{}},
		tags:    map[string][]string{},
		lost:    map[digest.Digest]bool{},
	}
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if !h.options.NoAPIVersion {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	}
	r := routeOf(req)
	if h.options.UnknownStatus != 0 && r.repository != "" && reads(req) && !h.knows(req, r.repository) {
		h.refuse(w, req, h.options.UnknownStatus)
		return
	}
	if h.options.Upstream != "" && reads(req) {
		h.pullThrough(req, r)
	}
	h.route(w, req, r)
}

func (h *handler) route(w http.ResponseWriter, req *http.Request, r route) {
	switch {
	case req.URL.Path == "/v2/" || req.URL.Path == "/v2":
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte("{}"))
	case req.URL.Path == catalogPath && req.Method == http.MethodGet:
		h.listRepositories(w, req)
	case r.kind == "tags" && req.Method == http.MethodGet:
		h.listTags(w, req, r)
	case r.kind == "referrers" && req.Method == http.MethodGet:
		h.listReferrers(w, req, r)
	case r.kind == "manifests" && reads(req):
		h.serveManifest(w, req, r)
	case r.kind == "manifests" && req.Method == http.MethodPut:
		h.putManifest(w, req, r)
	case r.kind == "blobs" && reads(req):
		h.serveBlob(w, req, r)
	case r.kind == "uploads":
		h.upload(w, req, r)
	case (r.kind == "manifests" || r.kind == "blobs") && req.Method == http.MethodDelete:
		h.delete(w, req, r)
	default:
		h.oci.ServeHTTP(w, req)
	}
}

func reads(req *http.Request) bool {
	return req.Method == http.MethodGet || req.Method == http.MethodHead
}

// knows tells whether there is such a repository.
func (h *handler) knows(req *http.Request, repository string) bool {
	for _, err := range h.mem.Tags(req.Context(), repository, "") {
		return err == nil
	}
	return true
}

// refuse answers in place of the truth, 401 with a challenge that will be
// repeated whatever the client brings.
func (h *handler) refuse(w http.ResponseWriter, req *http.Request, status int) {
	if status == http.StatusUnauthorized {
		scope, _ := wantedScope(req)
		h.server.challenge(w, []string{scope})
		return
	}
	writeError(w, status, codeFor(status), "as configured")
}

// fail answers with what ocimem says.
func fail(w http.ResponseWriter, err error) { _ = ociregistry.WriteError(w, err) }
