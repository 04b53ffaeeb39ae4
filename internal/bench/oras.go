package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"helm.sh/helm/v4/pkg/registry"
	oras "oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/file"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// orasGo is oras-go with its stores on disk: the OCI layout to pull, which
// skips what it has, and the file store to push. The file store cannot take a
// pulled chart: Helm's layers have no title, and it keeps what has none in
// memory, 4 MiB at most.
//
// It knows nothing of charts: names are those of the reference, archives are
// not looked into, and the config is the least that Helm accepts. So it marks
// what the transfer alone costs.
type orasGo struct{ client *auth.Client }

func newORAS() *orasGo {
	return &orasGo{&auth.Client{Client: retry.DefaultClient, Cache: auth.NewCache()}}
}

func (o *orasGo) repository(ref string) (*remote.Repository, error) {
	r, err := remote.NewRepository(ref)
	if err != nil {
		return nil, err
	}
	r.PlainHTTP, r.Client = true, o.client
	return r, nil
}

func (o *orasGo) Pull(ctx context.Context, ref, cacheDir string) (io.ReadCloser, error) {
	repo, err := o.repository(ref)
	if err != nil {
		return nil, err
	}
	store, err := oci.New(cacheDir)
	if err != nil {
		return nil, err
	}
	tag := repo.Reference.Reference
	desc, err := oras.Copy(ctx, repo, tag, store, tag, oras.DefaultCopyOptions)
	if err != nil {
		return nil, err
	}
	layers, err := content.Successors(ctx, store, desc)
	if err != nil {
		return nil, err
	}
	for _, layer := range layers {
		if layer.MediaType == registry.ChartLayerMediaType {
			return store.Fetch(ctx, layer)
		}
	}
	return nil, fmt.Errorf("%s is no chart", ref)
}

func (o *orasGo) Save(ctx context.Context, ref, cacheDir, dest string) error {
	rc, err := o.Pull(ctx, ref, cacheDir)
	if err != nil {
		return err
	}
	defer rc.Close()
	return writeFile(filepath.Join(dest, archiveName(ref)), rc)
}

func (o *orasGo) Push(ctx context.Context, archive, ref string) error {
	repo, err := o.repository(ref)
	if err != nil {
		return err
	}
	store, err := file.New(filepath.Dir(archive))
	if err != nil {
		return err
	}
	defer store.Close()
	tag := repo.Reference.Reference
	desc, err := packORAS(ctx, store, archive, ref)
	if err != nil {
		return err
	}
	if err := store.Tag(ctx, desc, tag); err != nil {
		return err
	}
	_, err = oras.Copy(ctx, store, tag, repo, tag, oras.DefaultCopyOptions)
	return err
}

func packORAS(ctx context.Context, store *file.Store, archive, ref string) (ocispec.Descriptor, error) {
	var none ocispec.Descriptor
	layer, err := store.Add(ctx, filepath.Base(archive), registry.ChartLayerMediaType, archive)
	if err != nil {
		return none, err
	}
	name, version, _ := strings.Cut(filepath.Base(ref), ":")
	data, err := json.Marshal(map[string]string{"apiVersion": "v2", "name": name, "version": version})
	if err != nil {
		return none, err
	}
	config, err := oras.PushBytes(ctx, store, registry.ConfigMediaType, data)
	if err != nil {
		return none, err
	}
	return oras.PackManifest(ctx, store, oras.PackManifestVersion1_1, "", oras.PackManifestOptions{
		Layers:              []ocispec.Descriptor{layer},
		ConfigDescriptor:    &config,
		ManifestAnnotations: map[string]string{ocispec.AnnotationCreated: created},
	})
}

// Package lets the file store make a layer of the directory, as it does for
// every directory that is pushed.
func (o *orasGo) Package(ctx context.Context, dir, dest string) error {
	store, err := file.New(dest)
	if err != nil {
		return err
	}
	defer store.Close()
	layer, err := store.Add(ctx, filepath.Base(dir), registry.ChartLayerMediaType, dir)
	if err != nil {
		return err
	}
	rc, err := store.Fetch(ctx, layer)
	if err != nil {
		return err
	}
	defer rc.Close()
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return err
	}
	return writeFile(filepath.Join(dest, filepath.Base(dir)+".tgz"), rc)
}
