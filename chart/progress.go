package chart

import (
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Progress watches transfers. Its methods are called by the goroutines that
// transfer, concurrently for several contents, and should return at once.
type Progress interface {
	// Moved tells that n more bytes of desc came or went; transfer is
	// "download" or "upload". What the cache or the registry had already is
	// not moved.
	Moved(transfer string, desc ocispec.Descriptor, n int64)
}

// watch reports what is read of an upload, and keeps it rewindable.
func watch(rc io.ReadCloser, desc ocispec.Descriptor, progress Progress) io.Reader {
	if progress == nil {
		return rc
	}
	w := watched{rc, desc, progress}
	if s, ok := rc.(io.Seeker); ok {
		return struct {
			watched
			io.Seeker
		}{w, s}
	}
	return w
}

type watched struct {
	r        io.Reader
	desc     ocispec.Descriptor
	progress Progress
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.progress.Moved("upload", w.desc, int64(n))
	}
	return n, err
}
