package registrytest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func (h *handler) putManifest(w http.ResponseWriter, req *http.Request, r route) {
	content, err := io.ReadAll(io.LimitReader(req.Body, maxManifest+1))
	switch {
	case len(content) > maxManifest:
		writeError(w, http.StatusRequestEntityTooLarge, "MANIFEST_INVALID", "manifests have at most 4 MiB here")
		return
	case err != nil || !json.Valid(content):
		writeError(w, http.StatusBadRequest, "MANIFEST_INVALID", "no JSON")
		return
	}
	if lacks := h.lostIn(content); lacks != "" {
		writeMissing(w, lacks)
		return
	}
	answer := h.store(req, r, content)
	if answer.Code == http.StatusInternalServerError { // what ocimem says of a reference that leads nowhere
		writeMissing(w, h.missing(req, r.repository, content))
		return
	}
	if h.options.noReferrers() {
		answer.Header().Del("OCI-Subject") // it says that the referrers API knows
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

// store looks at a tag and moves it, and lets nobody between.
func (h *handler) store(req *http.Request, r route, content []byte) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	h.tagged.Lock()
	defer h.tagged.Unlock()
	if r.digestName() || h.movable(answer, req, r, digest.FromBytes(content)) {
		req.Body = io.NopCloser(bytes.NewReader(content))
		h.oci.ServeHTTP(answer, req)
		h.written(r.repository)
	}
	return answer
}

// writeMissing names the digest as distribution does.
func writeMissing(w http.ResponseWriter, digest string) {
	writeDetail(w, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "the manifest names what is not here", digest)
}

// blobsOf lists what a manifest of an image refers to.
func blobsOf(content []byte) (blobs, manifests []digest.Digest) {
	var m struct {
		Config            ocispec.Descriptor
		Layers, Manifests []ocispec.Descriptor
	}
	if json.Unmarshal(content, &m) != nil {
		return nil, nil
	}
	if m.Config.Digest != "" {
		blobs = append(blobs, m.Config.Digest)
	}
	for _, d := range m.Layers {
		blobs = append(blobs, d.Digest)
	}
	for _, d := range m.Manifests {
		manifests = append(manifests, d.Digest)
	}
	return blobs, manifests
}

func (h *handler) lostIn(content []byte) string {
	blobs, _ := blobsOf(content)
	for _, d := range blobs {
		if h.isLost(d) {
			return d.String()
		}
	}
	return ""
}

// missing names something that a manifest refers to and that is not in the
// repository. A subject may be missing (OCI image spec 1.1).
func (h *handler) missing(req *http.Request, repository string, content []byte) string {
	blobs, manifests := blobsOf(content)
	for _, d := range blobs {
		if _, err := h.mem.ResolveBlob(req.Context(), repository, d); err != nil {
			return d.String()
		}
	}
	for _, d := range manifests {
		if _, err := h.mem.ResolveManifest(req.Context(), repository, d); err != nil {
			return d.String()
		}
	}
	return ""
}

// movable tells whether a tag may name the manifest, or answers why not.
func (h *handler) movable(w http.ResponseWriter, req *http.Request, r route, now digest.Digest) bool {
	o := h.options.Manifests
	was, err := h.mem.ResolveTag(req.Context(), r.repository, r.name)
	exists := err == nil
	if o.Conditional {
		match, none := req.Header.Get("If-Match"), req.Header.Get("If-None-Match")
		if (match != "" && (!exists || !matchesETag(match, was.Digest))) || (none != "" && exists && matchesETag(none, was.Digest)) {
			writeError(w, http.StatusPreconditionFailed, "PRECONDITION_FAILED", "the tag names another manifest")
			return false
		}
	}
	if exists && was.Digest != now && o.Immutable != Mutable {
		o.Immutable.refuse(w, r)
		return false
	}
	return true
}
