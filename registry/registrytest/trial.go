package registrytest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// The media types of a chart (Helm, pkg/registry).
const (
	chartConfigType  = "application/vnd.cncf.helm.config.v1+json"
	chartContentType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// trial is one run of Conformance.
type trial struct {
	client *registry.Client
	repo   *registry.Repository
	id     string // in the name of all that it makes

	config, layer, manifest object
	tags                    []string // all that were set
	manifests, blobs        []ocispec.Descriptor
	mounted                 *registry.Repository // nil: nothing was
}

// object is content with its descriptor.
type object struct {
	desc    ocispec.Descriptor
	content []byte
}

func newObject(mediaType string, content []byte) object {
	return object{ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}, content}
}

func (t *trial) tag(name string) string { return "conformance-" + t.id + "-" + name }

// prepare makes a chart that no registry has yet.
func (t *trial) prepare() error {
	meta := "apiVersion: v2\nname: conformance\nversion: 0.1.0-" + t.id + "\n"
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zip)
	if err := archive.WriteHeader(&tar.Header{Name: "conformance/Chart.yaml", Mode: 0o644, Size: int64(len(meta))}); err != nil {
		return err
	}
	if _, err := io.WriteString(archive, meta); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	t.config = newObject(chartConfigType, []byte(`{"apiVersion":"v2","name":"conformance","version":"0.1.0-`+t.id+`"}`))
	t.layer = newObject(chartContentType, packed.Bytes())
	var err error
	t.manifest, err = t.image("first", nil)
	return err
}

// image is a manifest over the chart.
func (t *trial) image(note string, subject *ocispec.Descriptor) (object, error) {
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: t.config.desc, Layers: []ocispec.Descriptor{t.layer.desc},
		Subject: subject, Annotations: map[string]string{ocispec.AnnotationTitle: note},
	}
	if subject != nil {
		m.ArtifactType = "application/vnd.portolan.conformance." + note
	}
	content, err := json.Marshal(m)
	return newObject(ocispec.MediaTypeImageManifest, content), err
}

// put stores a blob, to be removed in the end.
func (t *trial) put(ctx context.Context, o object, content io.Reader) error {
	t.blobs = append(t.blobs, o.desc)
	return t.repo.Push(ctx, o.desc, content)
}

// putTag stores a manifest under a tag, to be removed in the end.
func (t *trial) putTag(ctx context.Context, o object, tag string) error {
	t.tags, t.manifests = append(t.tags, tag), append(t.manifests, o.desc)
	return t.repo.PushReference(ctx, o.desc, bytes.NewReader(o.content), tag)
}

// expect reads rc to its end and compares.
func expect(want []byte, rc io.ReadCloser, err error) error {
	if err != nil {
		return err
	}
	got, err := io.ReadAll(rc)
	if cerr := rc.Close(); err == nil {
		err = cerr
	}
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%d bytes came back of %d, or other ones", len(got), len(want))
	}
	return err
}

// unsupported is the outcome of what a registry need not do.
func unsupported(why string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(why, args...), registry.ErrUnsupported)
}

// referrersTag is where the list is kept without a referrers API (OCI
// distribution spec 1.1, Referrers Tag Schema).
func referrersTag(d digest.Digest) string { return strings.Replace(d.String(), ":", "-", 1) }
