package bench

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/registry"
)

// created stands for the archive's modification time, which Helm's own command
// passes: without it no two pushes would have one manifest.
const created = "2026-01-02T03:04:05Z"

// helm is Helm 4's SDK. Its content cache is not filled by charts that it
// pulls (see the comment in its pkg/downloader), so there is none to use.
type helm struct{ client *registry.Client }

func newHelm(home string) (*helm, error) {
	client, err := registry.NewClient(
		registry.ClientOptPlainHTTP(),
		registry.ClientOptEnableCache(true), // of tokens
		registry.ClientOptCredentialsFile(filepath.Join(home, "registry.json")),
	)
	return &helm{client}, err
}

func (h *helm) Pull(_ context.Context, ref, _ string) (io.ReadCloser, error) {
	result, err := h.client.Pull(ref)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(result.Chart.Data)), nil
}

func (h *helm) Save(_ context.Context, ref, _, dest string) error {
	result, err := h.client.Pull(ref)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dest, archiveName(ref)), bytes.NewReader(result.Chart.Data))
}

// archiveName is <name>-<version>.tgz, as Helm's downloader makes it.
func archiveName(ref string) string {
	name, version, _ := strings.Cut(filepath.Base(ref), ":")
	return name + "-" + version + ".tgz"
}

func (h *helm) Push(_ context.Context, archive, ref string) error {
	data, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	_, err = h.client.Push(data, ref, registry.PushOptCreationTime(created))
	return err
}

// Package is what action.Package does beside its check of dependencies; that
// package would link a Kubernetes client into the program.
func (h *helm) Package(_ context.Context, dir, dest string) error {
	c, err := loader.LoadDir(dir)
	if err != nil {
		return err
	}
	_, err = chartutil.Save(c, dest)
	return err
}

func (h *helm) Load(_ context.Context, archive string) (string, error) {
	c, err := loader.LoadFile(archive)
	if err != nil {
		return "", err
	}
	return c.Name(), nil
}

func (h *helm) Unpack(_ context.Context, archive, dest string) error {
	return chartutil.ExpandFile(dest, archive)
}
