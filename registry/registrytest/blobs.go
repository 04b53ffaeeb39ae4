package registrytest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// BlobOptions are what answers for blobs are like.
type BlobOptions struct {
	// Ranges is what becomes of a Range header.
	Ranges Ranges
	// Redirect answers 307 with a signed URL of the Storage, as most hosted
	// registries do.
	Redirect bool
}

// Ranges is what becomes of a Range header.
type Ranges int

// The ways.
const (
	RangesHonoured Ranges = iota // 206 (RFC 9110)
	RangesIgnored                // 200 and everything
	RangesShifted                // 206 that begins a byte later than asked, and says so
	RangesRefused                // 416 for each
)

// Lose makes blobs disappear as a broken storage or a race with a garbage
// collector does: HEAD, and a mount, still find them; GET does not, and a
// manifest that names one is refused with MANIFEST_BLOB_UNKNOWN, until the
// blob is pushed again.
func (s *Server) Lose(blobs ...digest.Digest) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	for _, d := range blobs {
		s.registry.lost[d] = true
	}
}

func (h *handler) isLost(d digest.Digest) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost[d]
}

func (h *handler) found(d digest.Digest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.lost, d)
}

func (h *handler) serveBlob(w http.ResponseWriter, req *http.Request, r route) {
	want := digest.Digest(r.name)
	if err := want.Validate(); err != nil {
		writeError(w, http.StatusBadRequest, "DIGEST_INVALID", "no digest")
		return
	}
	if req.Method == http.MethodGet && h.isLost(want) {
		writeError(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
		return
	}
	if h.options.Blobs.Redirect {
		if _, err := h.mem.GetBlobRange(req.Context(), r.repository, want, 0, 0); err != nil {
			fail(w, err)
			return
		}
		http.Redirect(w, req, h.server.Storage.sign("/blob/"+r.repository+"/"+r.name), http.StatusTemporaryRedirect)
		return
	}
	h.sendBlob(w, req, r.repository, want)
}

// sendBlob answers with a blob or the part of it that was asked for.
func (h *handler) sendBlob(w http.ResponseWriter, req *http.Request, repository string, d digest.Digest) {
	blob, err := h.mem.GetBlob(req.Context(), repository, d)
	if err != nil {
		fail(w, err)
		return
	}
	defer blob.Close()
	content := &blobSeeker{h: h, ctx: req.Context(), repository: repository, digest: d, size: blob.Descriptor().Size, r: blob}
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Docker-Content-Digest", d.String())
	header.Set("ETag", etag(d))
	switch asked := req.Header.Get("Range"); {
	case asked == "":
	case h.options.Blobs.Ranges == RangesIgnored:
		req.Header.Del("Range")
	case h.options.Blobs.Ranges == RangesRefused:
		header.Set("Content-Range", "bytes */"+strconv.FormatInt(content.size, 10))
		writeError(w, http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID", "no ranges")
		return
	case h.options.Blobs.Ranges == RangesShifted:
		req.Header.Set("Range", shifted(asked))
	}
	http.ServeContent(w, req, "", time.Time{}, content)
}

// shifted is a range that begins a byte later.
func shifted(asked string) string {
	start, end, ok := strings.Cut(strings.TrimPrefix(asked, "bytes="), "-")
	n, err := strconv.ParseInt(start, 10, 64)
	if !ok || err != nil {
		return asked
	}
	return "bytes=" + strconv.FormatInt(n+1, 10) + "-" + end
}

// blobSeeker reads a blob from anywhere without a copy of it.
type blobSeeker struct {
	h          *handler
	ctx        context.Context
	repository string
	digest     digest.Digest
	size, at   int64
	r          io.Reader
	readAt     int64 // where r stands
}

func (b *blobSeeker) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return 0, errors.New("negative offset")
	}
	b.at = offset
	return offset, nil
}

func (b *blobSeeker) Read(p []byte) (int, error) {
	if b.at >= b.size {
		return 0, io.EOF
	}
	if b.readAt != b.at {
		r, err := b.h.mem.GetBlobRange(b.ctx, b.repository, b.digest, b.at, -1)
		if err != nil {
			return 0, err
		}
		b.r, b.readAt = r, b.at
	}
	n, err := b.r.Read(p)
	b.at += int64(n)
	b.readAt = b.at
	return n, err
}
