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
// its code, and lists are never null.
func conforming(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.Method == http.MethodPut && Manifests(req):
			putManifest(next, w, req)
		case strings.HasSuffix(req.URL.Path, "/tags/list"):
			listTags(next, w, req)
		default:
			next.ServeHTTP(w, req)
		}
	})
}

func putManifest(next http.Handler, w http.ResponseWriter, req *http.Request) {
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
	copyAnswer(w, rec, rec.Body.Bytes())
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
