package registrytest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
)

// conforming stands before the server and answers as the OCI distribution
// spec says where the server, at the version in use, does not: a manifest that
// is no JSON or names a blob that is not there is the client's error, 400 with
// its code, lists are never null, and a blob that cannot be mounted is one to
// upload.
func conforming(next http.Handler, options Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.Method == http.MethodPut && Manifests(req):
			putManifest(next, w, req, options.NoReferrers)
		case strings.HasSuffix(req.URL.Path, "/tags/list"):
			listTags(next, w, req)
		case req.Method == http.MethodPost && mountFrom(req) != "":
			mount(next, w, req, options.NoMount)
		default:
			next.ServeHTTP(w, req)
		}
	})
}

func putManifest(next http.Handler, w http.ResponseWriter, req *http.Request, noReferrers bool) {
	content, err := io.ReadAll(req.Body)
	if err != nil || !json.Valid(content) {
		writeError(w, http.StatusBadRequest, "MANIFEST_INVALID", "no JSON")
		return
	}
	req.Body = io.NopCloser(bytes.NewReader(content))
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, req)
	if rec.Code == http.StatusInternalServerError {
		writeError(w, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "the manifest names what is not here")
		return
	}
	if noReferrers {
		rec.Header().Del("OCI-Subject") // it says that the referrers API knows
	}
	copyAnswer(w, rec, rec.Body.Bytes())
}

// mountFrom is the repository from which a request mounts a blob, or "".
func mountFrom(req *http.Request) string {
	if !strings.HasSuffix(req.URL.Path, "/blobs/uploads/") || !req.URL.Query().Has("mount") {
		return ""
	}
	return req.URL.Query().Get("from")
}

// mount begins an upload where the server has nothing to mount (OCI
// distribution spec 1.1, Mounting a blob from another repository).
func mount(next http.Handler, w http.ResponseWriter, req *http.Request, never bool) {
	if !never {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, req)
		if rec.Code != http.StatusNotFound {
			copyAnswer(w, rec, rec.Body.Bytes())
			return
		}
	}
	plain := req.Clone(req.Context())
	plain.URL.RawQuery = ""
	next.ServeHTTP(w, plain)
}

func listTags(next http.Handler, w http.ResponseWriter, req *http.Request) {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, req)
	content := bytes.Replace(rec.Body.Bytes(), []byte(`"tags":null`), []byte(`"tags":[]`), 1)
	rec.Header().Del("Content-Length")
	copyAnswer(w, rec, content)
}

func copyAnswer(w http.ResponseWriter, rec *httptest.ResponseRecorder, content []byte) {
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	w.Write(content)
}
