package layout_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/layout"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "layout")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	archive, err := layout.CreateTar(ctx, filepath.Join(dir, "charts.tar"))
	if err != nil {
		log.Fatal(err)
	}
	defer archive.Close()
	const manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: digest.FromString(manifest), Size: int64(len(manifest))}
	if err := archive.PushReference(ctx, desc, strings.NewReader(manifest), "1.0.0"); err != nil {
		log.Fatal(err)
	}
	if err := archive.Commit(ctx); err != nil {
		log.Fatal(err)
	}

	carried, err := layout.OpenTar(filepath.Join(dir, "charts.tar"))
	if err != nil {
		log.Fatal(err)
	}
	defer carried.Close()
	for tag, err := range registry.Tags(ctx, carried) {
		if err != nil {
			log.Fatal(err)
		}
		found, err := carried.Resolve(ctx, tag)
		fmt.Println(tag, found.Digest == desc.Digest, err)
	}
	// Output: 1.0.0 true <nil>
}
