package registrytest

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// UploadOptions are what uploads of blobs are like. The zero value is as
// distribution does it: a session with a path for its location, and a PUT of
// the whole, or PATCHes of its parts.
type UploadOptions struct {
	// Location is the form of a session's location.
	Location Location
	// Query adds a parameter that must come back with each request, as the
	// _state of distribution and the signatures of storage services must.
	Query bool
	// SinglePost takes a blob with the POST that names its digest, as zot
	// does; else that begins a session (202), as at distribution.
	SinglePost bool
	// Monolithic refuses, with this status, the whole blob in one PUT: 405, 411
	// or 501; 413 whatever its size is, see MaxBody. It must come in PATCHes.
	// Zero: it is taken.
	Monolithic int
	// MinChunk is the least size of all PATCHes but the last, which is
	// announced as OCI-Chunk-Min-Length; a PATCH after a smaller one is refused
	// (Amazon ECR: 5 MiB). Zero: any.
	MinChunk int64
	// MaxBody refuses a larger body with 413 and a page, before it is read, as
	// nginx does (client_max_body_size). Zero: none is too large.
	MaxBody int64
	// NoStatus answers 404 to a GET of a session.
	NoStatus bool
	// NoCancel answers 405 to a DELETE of a session.
	NoCancel bool
}

// sessions are the uploads that have begun and not ended.
type sessions struct {
	mu   sync.Mutex
	open map[string]*session // by the last part of their path
}

type session struct {
	size  int64 // as far as it was told
	small bool  // the last PATCH was smaller than MinChunk
}

func (u *sessions) get(name string) (session, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s, ok := u.open[name]
	if !ok {
		return session{}, false
	}
	return *s, true
}

func (u *sessions) put(name string, s session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.open[name] = &s
}

func (u *sessions) end(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.open, name)
}

// upload serves all that has /blobs/uploads/ in its path.
func (h *handler) upload(w http.ResponseWriter, req *http.Request, r route) {
	if h.tooLarge(w, req) {
		return
	}
	if req.Method == http.MethodPost && r.name == "" {
		h.begin(w, req, r)
		return
	}
	s, ok := h.uploads.get(r.name)
	switch {
	case !ok, h.options.Uploads.NoStatus && req.Method == http.MethodGet:
		writeError(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
	case h.options.Uploads.Query && req.URL.Query().Get(stateParameter) != stateOf(r.name):
		writeError(w, http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "the location's own query is missing")
	case req.Method == http.MethodGet:
		h.answerUpload(w, req, r)
	case req.Method == http.MethodPatch:
		h.takeChunk(w, req, r, s)
	case req.Method == http.MethodPut:
		h.complete(w, req, r, s)
	case req.Method == http.MethodDelete && !h.options.Uploads.NoCancel:
		h.uploads.end(r.name)
		w.WriteHeader(http.StatusNoContent)
	default:
		writeError(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.")
	}
}

// tooLarge does as nginx: it does not wait for the body.
func (h *handler) tooLarge(w http.ResponseWriter, req *http.Request) bool {
	limit := h.options.Uploads.MaxBody
	if limit <= 0 {
		return false
	}
	if req.ContentLength <= limit {
		req.Body = http.MaxBytesReader(nil, req.Body, limit)
		return false
	}
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Connection", "close")
	w.WriteHeader(http.StatusRequestEntityTooLarge)
	io.WriteString(w, "<html><head><title>413 Request Entity Too Large</title></head></html>")
	return true
}

// begin opens a session, or mounts a blob and needs none.
func (h *handler) begin(w http.ResponseWriter, req *http.Request, r route) {
	if mountFrom(req) != "" {
		if !h.options.NoMount {
			answer := &deferred{ResponseWriter: w}
			h.oci.ServeHTTP(answer, req)
			if answer.status != http.StatusNotFound {
				return
			}
			clear(answer.header)
		}
		plain := req.Clone(req.Context())
		plain.URL.RawQuery = "" // OCI distribution spec 1.1: what cannot be mounted is uploaded
		req = plain
	}
	h.answerUpload(w, req, r)
}

// mountFrom is the repository from which a request mounts a blob, or "".
func mountFrom(req *http.Request) string {
	if routeOf(req).kind != "uploads" || req.Method != http.MethodPost || !req.URL.Query().Has("mount") {
		return ""
	}
	return req.URL.Query().Get("from")
}

func (h *handler) takeChunk(w http.ResponseWriter, req *http.Request, r route, s session) {
	if s.small {
		writeError(w, http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "the part before was smaller than OCI-Chunk-Min-Length")
		return
	}
	h.answerUpload(w, req, r)
}

// complete ends a session. The last part may come with it, in a Content-Range.
func (h *handler) complete(w http.ResponseWriter, req *http.Request, r route, s session) {
	whole := req.ContentLength != 0 && req.Header.Get("Content-Range") == "" && s.size == 0
	if status := h.options.Uploads.Monolithic; status != 0 && whole {
		writeError(w, status, "UNSUPPORTED", "send it in parts")
		return
	}
	h.answerUpload(w, req, r)
}

// answerUpload lets ociserver do the work, keeps book of the session and gives
// its location the form that was asked for.
func (h *handler) answerUpload(w http.ResponseWriter, req *http.Request, r route) {
	if req.ContentLength == 1 && req.Header.Get("Content-Range") == "0-0" {
		req.Header.Del("Content-Range") // ociserver reads it as nothing
	}
	h.oci.ServeHTTP(&headerFilter{ResponseWriter: w, change: func(header http.Header, status int) {
		name := header.Get("Location")
		name = name[strings.LastIndex(name, "/")+1:]
		switch {
		case status == http.StatusCreated:
			h.uploads.end(r.name)
			h.found(digestOf(header))
		case status/100 == 2:
			if h.options.Uploads.MinChunk > 0 {
				header.Set("OCI-Chunk-Min-Length", strconv.FormatInt(h.options.Uploads.MinChunk, 10))
			} else {
				header.Del("OCI-Chunk-Min-Length")
			}
			header.Set("Docker-Upload-Uuid", name)
			header.Set("Location", h.location(req, r.repository, name))
			h.keep(req, name, header.Get("Range"))
		}
	}}, req)
}

// keep notes how far a session is.
func (h *handler) keep(req *http.Request, name, told string) {
	s, _ := h.uploads.get(name)
	if req.Method == http.MethodPatch {
		_, end, _ := strings.Cut(told, "-")
		n, _ := strconv.ParseInt(end, 10, 64)
		s = session{size: n + 1, small: n+1-s.size < h.options.Uploads.MinChunk}
	}
	h.uploads.put(name, s)
}
