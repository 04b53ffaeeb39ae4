package registrytest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

func (t *trial) pushBlobs(ctx context.Context) error {
	for _, o := range []object{t.config, t.layer} {
		if err := t.put(ctx, o, bytes.NewReader(o.content)); err != nil {
			return err
		}
		if ok, err := t.repo.Exists(ctx, o.desc); err != nil || !ok {
			return fmt.Errorf("a pushed blob is there: %t, %w", ok, err)
		}
	}
	return nil
}

func (t *trial) pushManifest(ctx context.Context) error { return t.putTag(ctx, t.manifest, t.tag("a")) }

func (t *trial) pushAgain(ctx context.Context) error {
	return t.repo.Push(ctx, t.layer.desc, bytes.NewReader(t.layer.content))
}

// tagTheSame writes a tag as it stands: some identities may make tags, and not
// write them again (zot: create without update).
func (t *trial) tagTheSame(ctx context.Context) error {
	return refusedToWrite(t.repo.PushReference(ctx, t.manifest.desc, bytes.NewReader(t.manifest.content), t.tag("a")))
}

// pushSizes tries one byte, and both sides of what clients and registries cut
// uploads into.
func (t *trial) pushSizes(ctx context.Context) error {
	for _, size := range []int{1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 5<<20 + 1} {
		o := newObject("application/octet-stream", t.filler(size))
		if err := t.put(ctx, o, bytes.NewReader(o.content)); err != nil {
			return fmt.Errorf("%d bytes: %w", size, err)
		}
		rc, err := t.repo.Fetch(ctx, o.desc)
		if err := expect(o.content, rc, err); err != nil {
			return fmt.Errorf("%d bytes: %w", size, err)
		}
	}
	return nil
}

// filler is content of a size that no registry has yet.
func (t *trial) filler(size int) []byte {
	return bytes.Repeat([]byte(t.id+"\n"), size/len(t.id)+1)[:size]
}

// pushStream sends what can be read once.
func (t *trial) pushStream(ctx context.Context) error {
	o := newObject("application/octet-stream", t.filler(1<<20+7))
	if err := t.put(ctx, o, io.MultiReader(bytes.NewReader(o.content))); err != nil {
		return err
	}
	rc, err := t.repo.Fetch(ctx, o.desc)
	return expect(o.content, rc, err)
}

func (t *trial) pushEmpty(ctx context.Context) error {
	o := newObject("application/octet-stream", nil)
	err := t.repo.Push(ctx, o.desc, bytes.NewReader(nil)) // others may need it: it stays
	if e, ok := errors.AsType[*registry.Error](err); ok && e.StatusCode/100 == 4 {
		return unsupported("no empty blobs: %v", err)
	}
	if err != nil {
		return err
	}
	rc, err := t.repo.Fetch(ctx, o.desc)
	return expect(nil, rc, err)
}

func (t *trial) pushWrong(ctx context.Context) error {
	o := newObject("application/octet-stream", []byte("right "+t.id))
	err := t.repo.Push(ctx, o.desc, bytes.NewReader([]byte("wrong "+t.id)))
	if err == nil {
		return errors.New("content was taken under another one's digest")
	}
	if ok, err := t.repo.Exists(ctx, o.desc); err != nil || ok {
		return fmt.Errorf("it is there: %t, %w", ok, err)
	}
	return nil
}

// pushIncomplete: the specification lets registries refuse it, and most do.
func (t *trial) pushIncomplete(ctx context.Context) error {
	whole := t.layer
	t.layer = newObject(chartContentType, []byte("never pushed "+t.id))
	o, err := t.image("incomplete", nil)
	t.layer = whole
	if err != nil {
		return err
	}
	err = t.putTag(ctx, o, t.tag("incomplete"))
	if err == nil {
		return unsupported("a manifest was taken whose blobs are not there")
	}
	e, ok := errors.AsType[*registry.Error](err)
	if !ok || e.StatusCode == 0 {
		return err // that was no refusal
	}
	if _, err := t.repo.Resolve(ctx, t.tag("incomplete")); !errors.Is(err, registry.ErrNotFound) {
		return fmt.Errorf("refused and there: %w", orNil(err))
	}
	if e.StatusCode >= http.StatusInternalServerError {
		return unsupported("refused as if the registry had failed: %v", err)
	}
	return nil
}

func (t *trial) tagAgain(ctx context.Context) error {
	t.tags = append(t.tags, t.tag("b"))
	if err := t.repo.Tag(ctx, t.manifest.desc, t.tag("b")); err != nil {
		return err
	}
	return t.resolvesTo(ctx, t.tag("b"), t.manifest.desc)
}

func (t *trial) moveTag(ctx context.Context) error {
	second, err := t.image("second", nil)
	if err != nil {
		return err
	}
	if err := t.putTag(ctx, t.manifest, t.tag("moving")); err != nil {
		return err
	}
	err = t.putTag(ctx, second, t.tag("moving"))
	if errors.Is(err, registry.ErrExists) {
		return unsupported("tags are immutable")
	}
	if err != nil {
		return refusedToWrite(err)
	}
	return t.resolvesTo(ctx, t.tag("moving"), second.desc)
}

func (t *trial) pushIndex(ctx context.Context) error {
	content, err := json.Marshal(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		Manifests: []ocispec.Descriptor{t.manifest.desc}, Annotations: map[string]string{ocispec.AnnotationTitle: t.id},
	})
	if err != nil {
		return err
	}
	o := newObject(ocispec.MediaTypeImageIndex, content)
	if err := t.putTag(ctx, o, t.tag("index")); err != nil {
		return err
	}
	rc, err := t.repo.Fetch(ctx, o.desc)
	return expect(o.content, rc, err)
}
