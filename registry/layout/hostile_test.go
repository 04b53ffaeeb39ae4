package layout_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"

	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/layout"
)

const marker = `{"imageLayoutVersion":"1.0.0"}`

// reader is a layout that is read.
type reader interface {
	registry.Source
	registry.TagLister
	registry.ReferrerLister
	io.Closer
}

// openBoth opens the same files as a directory and as a tar file.
func openBoth(t testing.TB, files map[string]string, try func(kind string, open func() (reader, error))) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
		err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "./" + name, Size: int64(len(content)), Mode: 0o644})
		if _, werr := io.WriteString(w, content); err != nil || werr != nil {
			t.Fatal(err, werr)
		}
	}
	if err := errors.Join(w.Close(), os.MkdirAll(dir, 0o755), os.WriteFile(dir+".tar", b.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	try("directory", func() (reader, error) { return layout.Open(dir) })
	try("tar", func() (reader, error) { return layout.OpenTar(dir + ".tar") })
}

func entry(digest, tag string, size int64) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"annotations":{%q:%q}}`,
		ocispec.MediaTypeImageManifest, digest, size, ocispec.AnnotationRefName, tag)
}

func TestNoLayout(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no marker":      {"index.json": `{"schemaVersion":2,"manifests":[]}`},
		"other version":  {"oci-layout": `{"imageLayoutVersion":"2.0.0"}`},
		"no JSON":        {"oci-layout": `1.0.0`},
		"endless marker": {"oci-layout": strings.Repeat(" ", 1<<20) + marker},
		"empty":          {},
	} {
		openBoth(t, files, func(kind string, open func() (reader, error)) {
			if r, err := open(); err == nil || name != "endless marker" && !errors.Is(err, layout.ErrNotLayout) {
				t.Errorf("%s, %s: %v, %v", name, kind, r, err)
			}
		})
	}
	dir := t.TempDir()
	if _, err := layout.Open(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := layout.Create(t.Context(), dir); !errors.Is(err, layout.ErrNotLayout) {
		t.Errorf("create among other files: %v", err)
	}
	for name, content := range map[string]string{"zip.tar": "PK\x03\x04", "gz.tar": "\x1f\x8b\x08\x00 and so on"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := layout.OpenTar(path); !errors.Is(err, layout.ErrNotLayout) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := layout.CreateTar(t.Context(), path); !errors.Is(err, layout.ErrNotLayout) {
			t.Errorf("create %s: %v", name, err)
		}
	}
}

// TestHostileIndex: what index.json may say.
func TestHostileIndex(t *testing.T) {
	secret := digest.FromString("secret")
	for name, tc := range map[string]struct {
		index string
		want  error // of resolving x; nil: any
	}{
		"digest with a path":  {`{"schemaVersion":2,"manifests":[` + entry("sha256:../../../../secret", "x", 6) + `]}`, nil},
		"unknown algorithm":   {`{"schemaVersion":2,"manifests":[` + entry("md5:"+strings.Repeat("0", 32), "x", 6) + `]}`, nil},
		"negative size":       {`{"schemaVersion":2,"manifests":[` + entry(secret.String(), "x", -1) + `]}`, nil},
		"two for one tag":     {`{"schemaVersion":2,"manifests":[` + entry(secret.String(), "x", 6) + `,` + entry(digest.FromString("").String(), "x", 0) + `]}`, nil},
		"no such tag":         {`{"schemaVersion":2,"manifests":[` + entry(secret.String(), "y", 6) + `]}`, registry.ErrNotFound},
		"too many bytes":      {`{"schemaVersion":2,"manifests":[]}` + strings.Repeat(" ", 4<<20), nil},
		"too many entries":    {`{"schemaVersion":2,"manifests":[{}` + strings.Repeat(",{}", 1<<20) + `]}`, nil},
		"keys twice":          {`{"schemaVersion":2,"manifests":[],"manifests":[` + entry(secret.String(), "x", 6) + `]}`, nil},
		"no JSON":             {`manifests`, nil},
		"terminal characters": {`{"schemaVersion":2,"manifests":[` + entry("sha256:\\u001b[31m", "x", 6) + `]}`, nil},
	} {
		openBoth(t, map[string]string{"oci-layout": marker, "index.json": tc.index}, func(kind string, open func() (reader, error)) {
			r, err := open()
			if err != nil {
				t.Fatal(name, kind, err)
			}
			defer r.Close()
			_, err = r.Resolve(t.Context(), "x")
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("%s, %s: error = %v", name, kind, err)
			} else if strings.ContainsAny(err.Error(), "\x1b\n") || len(err.Error()) > 4096 {
				t.Errorf("%s, %s: error of %d bytes, or one that a terminal acts on", name, kind, len(err.Error()))
			}
		})
	}
}

// TestBlobsThatLie: a blob is what its digest says, or an error.
func TestBlobsThatLie(t *testing.T) {
	good := digest.FromString("content")
	for name, tc := range map[string]struct {
		stored string
		size   int64
	}{
		"other content": {"CONTENT", 7}, "size in the index": {"content", 6}, "too short": {"conten", 7}, "too long": {"content!", 7},
	} {
		files := map[string]string{
			"oci-layout": marker, "blobs/sha256/" + good.Encoded(): tc.stored,
			"index.json": `{"schemaVersion":2,"manifests":[` + entry(good.String(), "x", tc.size) + `]}`,
		}
		openBoth(t, files, func(kind string, open func() (reader, error)) {
			r, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			desc, err := r.Resolve(t.Context(), "x")
			if err != nil {
				t.Fatal(err)
			}
			rc, err := r.Fetch(t.Context(), desc)
			if err == nil {
				_, err = io.ReadAll(rc)
				rc.Close()
			}
			if !errors.Is(err, registry.ErrDigestMismatch) {
				t.Errorf("%s, %s: %v", name, kind, err)
			}
			if ok, err := r.Exists(t.Context(), desc); ok || err != nil {
				t.Errorf("%s, %s: exists %v, %v", name, kind, ok, err)
			}
		})
	}
}

// TestLinksLeadNowhere: a directory from a stranger may be full of links, for
// whoever reads it and for whoever writes into it.
func TestLinksLeadNowhere(t *testing.T) {
	outside := t.TempDir()
	secret := digest.FromString("secret")
	if err := os.WriteFile(filepath.Join(outside, secret.Encoded()), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "layout")
	d, err := layout.Create(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "blobs"), 0o755), os.Symlink(outside, filepath.Join(dir, "blobs", "sha256"))); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	desc := ocispec.Descriptor{Digest: secret, Size: 6}
	if rc, err := d.Fetch(t.Context(), desc); err == nil {
		data, _ := io.ReadAll(rc)
		t.Errorf("read %q through a link", data)
	}
	if err := d.Push(t.Context(), ocispec.Descriptor{Digest: digest.FromString("x"), Size: 1}, strings.NewReader("x")); err == nil {
		t.Error("wrote through a link")
	}
	if files, err := os.ReadDir(outside); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
	os.Remove(filepath.Join(dir, "index.json"))
	if err := os.Symlink(filepath.Join(outside, secret.Encoded()), filepath.Join(dir, "index.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Entries(t.Context()); err == nil {
		t.Error("read index.json through a link")
	}
	leftovers(t, dir)
}

// TestORASBothWays: oras-go's layouts are read here, and ours there.
func TestORASBothWays(t *testing.T) {
	ctx := t.Context()
	for kind, create := range kinds {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ours")
			w, reopen := create(t, path)
			want := put(t, w, "1", "one", nil)
			signature := put(t, w, "", "signature", &want)
			reopen()
			var ours oras.ReadOnlyGraphTarget
			var err error
			if kind == "tar" {
				ours, err = oci.NewFromTar(ctx, path+".tar")
			} else {
				ours, err = oci.New(path)
			}
			if err != nil {
				t.Fatal(err)
			}
			there := filepath.Join(t.TempDir(), "theirs")
			theirs, err := oci.New(there)
			if err != nil {
				t.Fatal(err)
			}
			got, err := oras.ExtendedCopy(ctx, ours, "1", theirs, "2", oras.DefaultExtendedCopyOptions)
			if err != nil || got.Digest != want.Digest {
				t.Fatalf("oras copies %v, %v", got, err)
			}
			back, err := layout.Open(there)
			if err != nil {
				t.Fatal(err)
			}
			defer back.Close()
			if got, err := back.Resolve(ctx, "2"); err != nil || got.Digest != want.Digest {
				t.Errorf("their tag: %v, %v", got, err)
			}
			n := 0
			for d, err := range registry.Referrers(ctx, back, want, "") {
				if n++; err != nil || d.Digest != signature.Digest {
					t.Errorf("their referrer: %v, %v", d, err)
				}
			}
			if n != 1 {
				t.Errorf("%d referrers of theirs", n)
			}
			third, _ := create(t, filepath.Join(t.TempDir(), "third"))
			if _, err := oras.Copy(ctx, back, "2", third, "3", oras.DefaultCopyOptions); err != nil {
				t.Errorf("oras copies into ours: %v", err)
			}
			if got, err := third.Resolve(ctx, "3"); err != nil || got.Digest != want.Digest {
				t.Errorf("copied by oras: %v, %v", got, err)
			}
		})
	}
}

// TestTarOfOtherTools: docker save puts its own files, directories and links
// among those of the layout.
func TestTarOfOtherTools(t *testing.T) {
	manifest := `{"schemaVersion":2,"config":{},"layers":[]}`
	d := digest.FromString(manifest)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []struct {
		tar.Header
		text string
	}{
		{tar.Header{Typeflag: tar.TypeDir, Name: "blobs/"}, ""},
		{tar.Header{Typeflag: tar.TypeDir, Name: "blobs/sha256/"}, ""},
		{tar.Header{Typeflag: tar.TypeReg, Name: "blobs/sha256/" + d.Encoded()}, manifest},
		{tar.Header{Typeflag: tar.TypeSymlink, Name: "blobs/sha256/" + digest.FromString("x").Encoded(), Linkname: "/etc/passwd"}, ""},
		{tar.Header{Typeflag: tar.TypeLink, Name: "layer.tar", Linkname: "blobs/sha256/" + d.Encoded()}, ""},
		{tar.Header{Typeflag: tar.TypeReg, Name: "index.json"}, `{"schemaVersion":2,"manifests":[` + entry(d.String(), "docker.io/library/x:1", int64(len(manifest))) + `,` + entry(d.String(), "1", int64(len(manifest))) + `]}`},
		{tar.Header{Typeflag: tar.TypeReg, Name: "manifest.json"}, "[]"},
		{tar.Header{Typeflag: tar.TypeReg, Name: "oci-layout"}, marker},
	} {
		h.Size = int64(len(h.text))
		if err := w.WriteHeader(&h.Header); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, h.text)
	}
	path := filepath.Join(t.TempDir(), "saved.tar")
	if err := errors.Join(w.Close(), os.WriteFile(path, b.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	r, err := layout.OpenTar(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, name := range []string{"1", "docker.io/library/x:1", d.String()} {
		if got, err := r.Resolve(t.Context(), name); err != nil || got.Digest != d {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if got := tagsOf(t, r); len(got) != 1 || got[0] != "1" {
		t.Errorf("tags %v: what is no tag is none", got)
	}
	if ok, err := r.Exists(t.Context(), ocispec.Descriptor{Digest: digest.FromString("x"), Size: 1}); ok || err != nil {
		t.Errorf("a link is a blob: %v, %v", ok, err)
	}
}
