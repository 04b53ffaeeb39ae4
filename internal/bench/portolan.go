package bench

import (
	"context"
	"io"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

type portolan struct{ registries *registry.Client }

func newPortolan() (*portolan, error) {
	r, err := registry.NewClient(nil)
	return &portolan{r}, err
}

func (p *portolan) pull(ctx context.Context, ref, cacheDir string) (*chart.Pulled, error) {
	r, err := registry.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	store, err := cache.Open(cacheDir, nil)
	if err != nil {
		return nil, err
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: p.registries, Cache: store})
	if err != nil {
		return nil, err
	}
	return client.Pull(ctx, r, chart.PullOptions{})
}

func (p *portolan) Pull(ctx context.Context, ref, cacheDir string) (io.ReadCloser, error) {
	pulled, err := p.pull(ctx, ref, cacheDir)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{pulled.Archive.Reader(), pulled}, nil
}

func (p *portolan) Save(ctx context.Context, ref, cacheDir, dest string) error {
	pulled, err := p.pull(ctx, ref, cacheDir)
	if err != nil {
		return err
	}
	defer pulled.Close()
	_, err = pulled.Save(ctx, dest)
	return err
}

func (p *portolan) Push(ctx context.Context, archive, ref string) error {
	_, err := p.push(ctx, archive, ref)
	return err
}

func (p *portolan) push(ctx context.Context, archive, ref string) (manifest string, err error) {
	r, err := registry.ParseReference(ref)
	if err != nil {
		return "", err
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: p.registries})
	if err != nil {
		return "", err
	}
	packed, err := chart.Pack(ctx, archive, nil)
	if err != nil {
		return "", err
	}
	defer packed.Close()
	if _, err := client.Push(ctx, packed, r, chart.PushOptions{}); err != nil {
		return "", err
	}
	return packed.Manifest.Digest.String(), nil
}

func (p *portolan) Package(ctx context.Context, dir, dest string) error {
	_, _, err := chart.PackageFile(ctx, dir, dest, nil)
	return err
}

func (p *portolan) Load(_ context.Context, archive string) (string, error) {
	a, err := chart.Open(archive, nil)
	if err != nil {
		return "", err
	}
	defer a.Close()
	m, err := a.Metadata()
	if err != nil {
		return "", err
	}
	return m.Name, nil
}

func (p *portolan) Unpack(ctx context.Context, archive, dest string) error {
	a, err := chart.Open(archive, nil)
	if err != nil {
		return err
	}
	defer a.Close()
	_, err = a.Unpack(ctx, dest)
	return err
}
