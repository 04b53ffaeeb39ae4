package registrytest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
)

// Faults are ways in which registries, and what stands before them, fail.
// Each zero field is the right behaviour.
type Faults struct {
	// Match selects the requests that fail. nil: all but those to the token
	// service, which Tokens selects.
	Match func(*http.Request) bool
	// Cut closes the connection instead of answering.
	Cut bool
	// HTML answers 200 with a web page, as a captive portal does.
	HTML bool
	// Status answers with this status and an error body, code Code.
	Status int
	Code   string
	// Truncate ends the body, under its full Content-Length, after half.
	Truncate bool
	// Corrupt flips the last bit of the body and keeps its length.
	Corrupt bool
	// NoHead answers HEAD with 405.
	NoHead bool
	// NoDigestHeader leaves out Docker-Content-Digest.
	NoDigestHeader bool
}

// SetFaults makes the server fail from now on; nil ends it.
func (s *Server) SetFaults(f *Faults) { s.faults.Store(f) }

// Tokens matches requests to the token service, for Faults.Match.
func Tokens(req *http.Request) bool { return req.URL.Path == tokenPath }

// Manifests matches requests for manifests, for Faults.Match.
func Manifests(req *http.Request) bool {
	_, kind, _ := splitPath(req.URL.Path)
	return kind == "manifests"
}

// Blobs matches requests for blobs, uploads included, for Faults.Match.
func Blobs(req *http.Request) bool {
	_, kind, _ := splitPath(req.URL.Path)
	return kind == "blobs"
}

func (f *Faults) matches(req *http.Request) bool {
	if f == nil || f.Match == nil {
		return f != nil && !Tokens(req)
	}
	return f.Match(req)
}

// instead answers in the registry's place and tells whether it did.
func (f *Faults) instead(w *countingWriter) bool {
	switch {
	case f == nil:
		return false
	case f.Cut:
		if conn, err := w.hijack(); err == nil {
			conn.Close()
		}
		return true
	case f.HTML:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte("<!DOCTYPE html><title>Sign in</title>Welcome to the harbour's network."))
		return true
	case f.Status != 0:
		writeError(w, f.Status, f.Code, "as ordered")
		return true
	case f.NoHead && w.rec.bodiless:
		writeError(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "no HEAD")
		return true
	}
	return false
}

// serve lets the registry answer, and spoils the answer.
func (f *Faults) serve(registry http.Handler, w *countingWriter, req *http.Request) {
	if f == nil {
		registry.ServeHTTP(w, req)
		return
	}
	rec := httptest.NewRecorder()
	registry.ServeHTTP(rec, req)
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	if f.NoDigestHeader {
		w.Header().Del("Docker-Content-Digest")
	}
	content := bytes.Clone(rec.Body.Bytes())
	spoiled := rec.Code == http.StatusOK && len(content) > 0
	if spoiled && f.Corrupt {
		content[len(content)-1] ^= 1
	}
	if spoiled && f.Truncate {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		content = content[:len(content)/2]
	}
	w.WriteHeader(rec.Code)
	w.Write(content)
	if spoiled && f.Truncate {
		panic(http.ErrAbortHandler) // net/http's way to break off an answer
	}
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	type item struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string][]item{"errors": {{code, message}}})
}
