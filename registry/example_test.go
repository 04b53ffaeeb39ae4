package registry_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func Example() {
	ctx := context.Background()
	server := registrytest.New(nil) // any registry will do
	defer server.Close()

	client, err := registry.NewClient(nil)
	if err != nil {
		log.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: server.Host, Repository: "team/notes"})
	if err != nil {
		log.Fatal(err)
	}
	config := []byte("{}")
	desc := ocispec.Descriptor{MediaType: "application/vnd.oci.empty.v1+json", Digest: digest.FromBytes(config), Size: 2}
	if err := repo.Push(ctx, desc, bytes.NewReader(config)); err != nil {
		log.Fatal(err)
	}
	ok, err := repo.Exists(ctx, desc)
	fmt.Println(ok, err)
	// Output: true <nil>
}

func ExampleParseReference() {
	ref, err := registry.ParseReference("oci://ghcr.io/team/app:1.0.0+build.7")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ref.Host, ref.Repository, ref.Tag, registry.VersionOfTag(ref.Tag))

	_, err = registry.ParseReference("https://ghcr.io/team/app:1.0.0")
	fmt.Println(err)
	// Output:
	// ghcr.io team/app 1.0.0_build.7 1.0.0+build.7
	// reference "https://ghcr.io/team/app:1.0.0": "https://" is no prefix of a reference; write ghcr.io/team/app:1.0.0
}

// printer is all that a program needs to watch what it does.
type printer struct{}

func (printer) Moved(t registry.Transfer) {
	if t.Ended {
		fmt.Printf("%d of %d bytes\n", t.Done, t.Descriptor.Size)
	}
}

func (printer) Stepped(s registry.Step) { fmt.Println(s) }

func ExampleWithProgress() {
	server := registrytest.New(nil)
	defer server.Close()
	client, err := registry.NewClient(nil)
	if err != nil {
		log.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: server.Host, Repository: "team/notes"})
	if err != nil {
		log.Fatal(err)
	}
	content := []byte("soundings in fathoms")
	desc := ocispec.Descriptor{MediaType: "text/plain", Digest: digest.FromBytes(content), Size: 20}

	ctx := registry.WithProgress(context.Background(), printer{})
	if err := repo.Push(ctx, desc, bytes.NewReader(content)); err != nil {
		log.Fatal(err)
	}
	// Output: 20 of 20 bytes
}

func ExampleClient_ParseReference() {
	client, err := registry.NewClient(&registry.Options{Aliases: map[string]string{"team": "registry.example.com/charts/team"}})
	if err != nil {
		log.Fatal(err)
	}
	ref, err := client.ParseReference("team/app:1.0.0")
	fmt.Println(ref, err)

	_, err = client.ParseReference("app:1.0.0")
	fmt.Println(err)
	// Output:
	// registry.example.com/charts/team/app:1.0.0 <nil>
	// reference "app:1.0.0": no registry host, and no alias either; write host/repository, or begin with one of team
}
