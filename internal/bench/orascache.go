package bench

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"helm.sh/helm/v4/pkg/registry"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"
)

// orasCache is oras-go with the cache of the oras command, as ORAS_CACHE in the
// environment switches it on: an OCI layout before the repository. A reference
// always costs a GET of its manifest; what that names is read from the layout if
// it is there, and verified on its way out, since the command copies it into a
// store that does.
type orasCache struct{ *orasGo }

func (o *orasCache) Pull(ctx context.Context, ref, cacheDir string) (io.ReadCloser, error) {
	repo, err := o.repository(ref)
	if err != nil {
		return nil, err
	}
	store, err := oci.New(cacheDir)
	if err != nil {
		return nil, err
	}
	root, err := manifestThrough(ctx, store, repo)
	if err != nil {
		return nil, err
	}
	children, err := content.Successors(ctx, store, root)
	if err != nil {
		return nil, err
	}
	var layer *ocispec.Descriptor
	for _, child := range children {
		if err := blobThrough(ctx, store, repo, child); err != nil {
			return nil, err
		}
		if child.MediaType == registry.ChartLayerMediaType {
			layer = &child
		}
	}
	if layer == nil {
		return nil, fmt.Errorf("%s is no chart", ref)
	}
	rc, err := store.Fetch(ctx, *layer)
	if err != nil {
		return nil, err
	}
	return &verified{content.NewVerifyReader(rc, *layer), rc}, nil
}

// manifestThrough asks the repository what it has under its reference, and
// takes the bytes from the store if they are there.
func manifestThrough(ctx context.Context, store *oci.Store, repo *remote.Repository) (ocispec.Descriptor, error) {
	root, body, err := repo.FetchReference(ctx, repo.Reference.Reference)
	if err != nil {
		return root, err
	}
	defer body.Close()
	if there, err := store.Exists(ctx, root); err != nil || there {
		return root, err
	}
	return root, store.Push(ctx, root, body)
}

func blobThrough(ctx context.Context, store *oci.Store, repo *remote.Repository, desc ocispec.Descriptor) error {
	if there, err := store.Exists(ctx, desc); err != nil || there {
		return err
	}
	rc, err := repo.Fetch(ctx, desc)
	if err != nil {
		return err
	}
	defer rc.Close()
	return store.Push(ctx, desc, rc)
}

// verified gives its verdict in place of the end.
type verified struct {
	*content.VerifyReader
	io.Closer
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.VerifyReader.Read(p)
	if err == io.EOF {
		if bad := v.Verify(); bad != nil {
			return n, bad
		}
	}
	return n, err
}

func (o *orasCache) Save(ctx context.Context, ref, cacheDir, dest string) error {
	rc, err := o.Pull(ctx, ref, cacheDir)
	if err != nil {
		return err
	}
	defer rc.Close()
	return writeFile(filepath.Join(dest, archiveName(ref)), rc)
}
