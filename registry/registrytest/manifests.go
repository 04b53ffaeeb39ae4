package registrytest

import (
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"cuelabs.dev/go/oci/ociregistry"
	"github.com/opencontainers/go-digest"
)

// ManifestOptions are what answers for manifests are like.
type ManifestOptions struct {
	// NoHead answers HEAD with 405.
	NoHead bool
	// NoDigest leaves Docker-Content-Digest out of answers to HEAD and GET, as
	// Amazon ECR does for tags.
	NoDigest bool
	// WrongDigest puts another digest there ("so many registries implement
	// this incorrectly", go-containerregistry).
	WrongDigest bool
	// NoLength sends manifests chunked, without Content-Length, as GitLab
	// behind a compressing proxy does.
	NoLength bool
	// ContentType stands in place of the true media type; "-" leaves it out.
	ContentType string
	// StrictAccept answers 404 where Accept does not list a manifest's media
	// type, as distribution does.
	StrictAccept bool
	// NoETag leaves out ETag and ignores If-None-Match.
	NoETag bool
	// Conditional obeys If-Match and If-None-Match on PUT (RFC 9110), which
	// hardly any registry does.
	Conditional bool
	// Immutable is how a PUT is refused that would move a tag.
	Immutable Immutable
}

// maxManifest is the size that a registry must accept, and the largest that
// most do (OCI distribution spec 1.1, Pushing Manifests).
const maxManifest = 4 << 20

func (h *handler) serveManifest(w http.ResponseWriter, req *http.Request, r route) {
	o := h.options.Manifests
	if o.NoHead && req.Method == http.MethodHead {
		writeError(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "no HEAD")
		return
	}
	var content ociregistry.BlobReader
	var err error
	if r.digestName() {
		content, err = h.mem.GetManifest(req.Context(), r.repository, digest.Digest(r.name))
	} else {
		content, err = h.mem.GetTag(req.Context(), r.repository, r.name)
	}
	if err != nil {
		fail(w, err)
		return
	}
	defer content.Close()
	desc := content.Descriptor()
	if o.StrictAccept && !accepts(req, desc.MediaType) {
		writeError(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "the Accept header does not list "+desc.MediaType)
		return
	}
	if !h.describe(w, req, desc) {
		return
	}
	w.WriteHeader(http.StatusOK)
	if o.NoLength {
		_ = http.NewResponseController(w).Flush() // or net/http finds the length of a short body out
	}
	if req.Method == http.MethodGet {
		io.Copy(w, content)
	}
}

// describe writes the headers, and tells whether a body is to follow.
func (h *handler) describe(w http.ResponseWriter, req *http.Request, desc ociregistry.Descriptor) bool {
	o, header := h.options.Manifests, w.Header()
	switch {
	case o.WrongDigest:
		header.Set("Docker-Content-Digest", digest.FromString("another manifest").String())
	case !o.NoDigest:
		header.Set("Docker-Content-Digest", desc.Digest.String())
	}
	if !o.NoETag {
		header.Set("ETag", etag(desc.Digest))
		if matchesETag(req.Header.Get("If-None-Match"), desc.Digest) {
			w.WriteHeader(http.StatusNotModified)
			return false
		}
	}
	if !o.NoLength {
		header.Set("Content-Length", strconv.FormatInt(desc.Size, 10))
	}
	switch o.ContentType {
	case "":
		header.Set("Content-Type", desc.MediaType)
	case "-":
		header["Content-Type"] = nil // or net/http guesses
	default:
		header.Set("Content-Type", o.ContentType)
	}
	return true
}

// accepts tells whether Accept lists a media type. None at all accepts, in
// HTTP, everything, and distribution nothing that it knows today.
func accepts(req *http.Request, mediaType string) bool {
	for _, value := range req.Header.Values("Accept") {
		for item := range strings.SplitSeq(value, ",") {
			if t, _, err := mime.ParseMediaType(item); err == nil && (t == mediaType || t == "*/*") {
				return true
			}
		}
	}
	return false
}

func etag(d digest.Digest) string { return `"` + d.String() + `"` }

// matchesETag reads a list of entity tags (RFC 9110, If-None-Match).
func matchesETag(list string, d digest.Digest) bool {
	items := strings.Split(list, ",")
	return list == "*" || slices.ContainsFunc(items, func(item string) bool {
		return strings.TrimPrefix(strings.TrimSpace(item), "W/") == etag(d)
	})
}
