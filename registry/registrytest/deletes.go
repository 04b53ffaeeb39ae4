package registrytest

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// DeleteOptions are what can be deleted. The zero value is everything (OCI
// distribution spec 1.1, Content Management).
type DeleteOptions struct {
	// None answers every DELETE of a manifest or blob with 405 UNSUPPORTED, as
	// distribution does unless it is configured.
	None bool
	// NoTags answers the DELETE of a tag so, as distribution before v3, zot's
	// opposite, does.
	NoTags bool
	// InUse answers the DELETE of a manifest that a tagged index names with 405
	// DENIED, as zot does.
	InUse bool
	// TagIsManifest deletes, with a tag, its manifest and all other tags of
	// it, as Harbor and Docker Hub do.
	TagIsManifest bool
}

func (h *handler) delete(w http.ResponseWriter, req *http.Request, r route) {
	o := h.options.Deletes
	byTag := r.kind == "manifests" && !r.digestName()
	if o.None || (o.NoTags && byTag) {
		writeError(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.")
		return
	}
	if o.InUse && r.kind == "manifests" && !byTag && h.indexed(req, r.repository, digest.Digest(r.name)) {
		writeError(w, http.StatusMethodNotAllowed, "DENIED", "requested access to the resource is denied")
		return
	}
	w = &headerFilter{w, func(http.Header, int) { h.written(r.repository) }} // before the client can know
	if !byTag {
		if r.kind == "manifests" {
			h.untag(req, r.repository, digest.Digest(r.name))
		}
		h.oci.ServeHTTP(w, req)
		return
	}
	desc, err := h.mem.ResolveTag(req.Context(), r.repository, r.name)
	if err != nil {
		fail(w, err)
		return
	}
	if err = h.mem.DeleteTag(req.Context(), r.repository, r.name); err == nil && o.TagIsManifest {
		h.untag(req, r.repository, desc.Digest)
		err = h.mem.DeleteManifest(req.Context(), r.repository, desc.Digest)
	}
	if err != nil {
		fail(w, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// indexed tells whether an index under some tag names the manifest.
func (h *handler) indexed(req *http.Request, repository string, d digest.Digest) bool {
	tags, err := h.allTags(req, repository)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(tags, func(tag string) bool {
		rc, err := h.mem.GetTag(req.Context(), repository, tag)
		if err != nil {
			return false
		}
		defer rc.Close()
		var index ocispec.Index
		return json.NewDecoder(rc).Decode(&index) == nil &&
			slices.ContainsFunc(index.Manifests, func(m ocispec.Descriptor) bool { return m.Digest == d })
	})
}

// untag takes every tag from a manifest.
func (h *handler) untag(req *http.Request, repository string, d digest.Digest) {
	tags, err := h.allTags(req, repository)
	if err != nil {
		return
	}
	for _, tag := range tags {
		if desc, err := h.mem.ResolveTag(req.Context(), repository, tag); err == nil && desc.Digest == d {
			_ = h.mem.DeleteTag(req.Context(), repository, tag)
		}
	}
}
