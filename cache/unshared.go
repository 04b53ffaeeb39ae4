package cache

import (
	"context"
	"io/fs"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/tempfile"
)

// unshared returns a verified file as content that nobody else can change any
// more. In a cache that users share, whoever has made a file, or may write to
// it, could do so in place after it was hashed: such a one is copied to a file
// without a name. f is closed unless it is returned.
func (s *Store) unshared(ctx context.Context, f *os.File, info fs.FileInfo, desc ocispec.Descriptor) (contentFile, error) {
	if !alterable(info) {
		return f, nil
	}
	defer f.Close()
	tmp, err := tempfile.New()
	if err == nil {
		if err = s.copyVerified(ctx, tmp, f, desc); err == nil {
			return tmp, nil
		}
		tmp.Close()
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s.trouble(cannotRead, err)
	return nil, missing(desc.Digest)
}
