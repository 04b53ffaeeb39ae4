package registrytest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"cuelabs.dev/go/oci/ociregistry"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// pullThrough fetches what a request asks for and is not here. What cannot be
// had is left to the answer: a cache whose upstream is down serves what it has.
func (h *handler) pullThrough(req *http.Request, r route) {
	ctx, path := req.Context(), req.URL.Path
	if prefix := h.options.UpstreamPrefix; prefix != "" {
		rest, ok := strings.CutPrefix(path, "/v2/"+prefix+"/")
		if !ok {
			return
		}
		path = "/v2/" + rest
	}
	switch {
	case r.kind == "blobs" && !h.options.UpstreamWhole:
		if _, err := h.mem.GetBlobRange(ctx, r.repository, digest.Digest(r.name), 0, 0); err != nil {
			h.pullBlob(ctx, path, r.repository, digest.Digest(r.name))
		}
	case r.kind == "manifests" && r.digestName():
		if _, err := h.mem.ResolveManifest(ctx, r.repository, digest.Digest(r.name)); err != nil {
			h.pullManifest(ctx, path, r, "")
		}
	case r.kind == "manifests":
		if _, err := h.mem.ResolveTag(ctx, r.repository, r.name); err != nil || !h.options.StaleTags {
			h.pullManifest(ctx, path, r, r.name)
		}
	}
}

func (h *handler) pullBlob(ctx context.Context, path, repository string, d digest.Digest) {
	content, _, err := h.upstream(ctx, path)
	if err != nil {
		return
	}
	desc := ociregistry.Descriptor{MediaType: "application/octet-stream", Digest: d, Size: int64(len(content))}
	_, _ = h.mem.PushBlob(ctx, repository, desc, bytes.NewReader(content))
}

// pullBlobs fetches what a manifest names, from beside it.
func (h *handler) pullBlobs(ctx context.Context, path string, r route, manifest []byte) {
	var m ocispec.Manifest
	if json.Unmarshal(manifest, &m) != nil || m.Config.Digest == "" {
		return
	}
	base := strings.TrimSuffix(path, "manifests/"+r.name)
	for _, desc := range append(m.Layers, m.Config) {
		h.pullBlob(ctx, base+"blobs/"+desc.Digest.String(), r.repository, desc.Digest)
	}
}

func (h *handler) pullManifest(ctx context.Context, path string, r route, tag string) {
	content, mediaType, err := h.upstream(ctx, path)
	if err != nil || (tag == "" && digest.FromBytes(content).String() != r.name) {
		return
	}
	if h.options.UpstreamWhole {
		h.pullBlobs(ctx, path, r, content)
	}
	_, _ = h.mem.PushManifest(ctx, r.repository, tag, content, mediaType)
	h.written(r.repository)
}

// upstream makes one request. The connection is not kept: nothing here would
// close it.
func (h *handler) upstream(ctx context.Context, path string) (content []byte, mediaType string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(h.options.Upstream, "/")+path, nil)
	if err != nil {
		return nil, "", err
	}
	req.Close = true
	req.Header.Set("Accept", strings.Join([]string{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex,
		"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json", "*/*"}, ", "))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, "", ociregistry.NewHTTPError(nil, resp.StatusCode, resp, nil)
	}
	content, err = io.ReadAll(resp.Body)
	return content, resp.Header.Get("Content-Type"), err
}
