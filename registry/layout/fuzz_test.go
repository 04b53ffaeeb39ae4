package layout

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// inMemory is a layout of these parts. The fuzz targets go without a disk,
// which would be all that they wait for.
func inMemory(parts map[string]string) *content {
	files := tarFiles{}
	for name, text := range parts {
		files[name] = &tarPart{io.NewSectionReader(bytes.NewReader([]byte(text)), 0, int64(len(text)))}
	}
	return &content{"fuzzed", files}
}

// explore uses all of a layout, and reports what of it is not what it says.
func explore(t *testing.T, c *content) {
	if c.check() != nil {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	names := []string{"x"}
	if err := c.Tags(ctx, "", func(tags []string) error { names = append(names, tags...); return nil }); err != nil {
		names = names[:1]
	}
	for _, name := range names {
		desc, err := c.Resolve(ctx, name)
		if err != nil {
			if n := len(err.Error()); n > 8<<10 {
				t.Fatalf("error of %d bytes", n)
			}
			continue
		}
		if desc.Digest.Validate() != nil || desc.Size < 0 {
			t.Fatalf("%q resolves to %+v", name, desc)
		}
		if err := c.Referrers(ctx, desc, "", func(list []ocispec.Descriptor) error {
			for _, d := range list {
				if d.Digest.Validate() != nil {
					t.Errorf("referrer %+v", d)
				}
			}
			return nil
		}); err != nil && len(err.Error()) > 8<<10 {
			t.Fatalf("error of %d bytes", len(err.Error()))
		}
		rc, err := c.Fetch(ctx, desc)
		if err != nil {
			continue
		}
		data, err := io.ReadAll(rc)
		rc.Close()
		if err == nil && (desc.Digest.Algorithm().FromBytes(data) != desc.Digest || int64(len(data)) != desc.Size) {
			t.Fatalf("%q is not what %+v says", data, desc)
		}
	}
}

func seedIndex(d, tag string) string {
	return fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":7,"annotations":{%q:%q}}]}`,
		ocispec.MediaTypeImageManifest, d, ocispec.AnnotationRefName, tag)
}

// FuzzIndex reads an index, and writes a tag into it: what comes out can be
// read, and names what it should.
func FuzzIndex(f *testing.F) {
	good := digest.FromString("content")
	f.Add(marker, seedIndex(good.String(), "x"), "content")
	f.Add(marker, seedIndex("sha256:../../oci-layout", "x"), "")
	f.Add(`{"imageLayoutVersion":"1"}`, `{"manifests":null}`, "{}")
	f.Add(`null`, `[]`, "\x00")
	f.Fuzz(func(t *testing.T, layoutFile, text, blob string) {
		parts := map[string]string{ocispec.ImageLayoutFile: layoutFile, ocispec.ImageIndexFile: text, blobPath(good): blob}
		explore(t, inMemory(parts))
		index, err := parseIndex([]byte(text))
		if err != nil {
			return
		}
		desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("new"), Size: 3}
		addManifest(index, desc, nil)
		setTag(index, desc, "x")
		data, err := encode(index)
		if err != nil {
			return // at a limit
		}
		parts[ocispec.ImageIndexFile] = string(data)
		if got, err := inMemory(parts).Resolve(t.Context(), "x"); err != nil || got.Digest != desc.Digest {
			t.Fatalf("after setting it, the tag names %v, %v in\n%s", got, err, data)
		}
	})
}

func FuzzTar(f *testing.F) {
	tarred := func(headers ...tar.Header) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			text := h.Linkname
			if h.Typeflag == tar.TypeReg {
				h.Linkname, h.Size = "", int64(len(text))
			}
			if err := w.WriteHeader(&h); err != nil {
				f.Fatal(err)
			}
			if h.Typeflag == tar.TypeReg {
				io.WriteString(w, text)
			}
		}
		w.Close()
		return b.Bytes()
	}
	regular := func(name, text string) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: text, Mode: 0o644}
	}
	good := digest.FromString("content")
	whole := tarred(regular("oci-layout", marker), regular("index.json", seedIndex(good.String(), "x")), regular(blobPath(good), "content"))
	f.Add(whole)
	f.Add(whole[:len(whole)-1700])
	f.Add(tarred(regular("./oci-layout", marker), regular("/../index.json", "{}"), tar.Header{Typeflag: tar.TypeSymlink, Name: blobPath(good), Linkname: "/etc/passwd"}))
	f.Add(tarred(regular("oci-layout", marker), regular("oci-layout", "{}")))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := scan(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for name, p := range files {
			if own, ok := partName(name); !ok || own != name {
				t.Fatalf("a part is called %q", name)
			}
			if p.Size() > int64(len(data)) {
				t.Fatalf("%s has %d bytes of %d", name, p.Size(), len(data))
			}
		}
		explore(t, &content{"fuzzed", files})
	})
}
