package registrytest

import (
	"net/http"

	"github.com/opencontainers/go-digest"
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
