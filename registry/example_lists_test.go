package registry_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func ExampleClient_Repositories() {
	ctx := context.Background()
	server := registrytest.New(nil)
	defer server.Close()

	client, err := registry.NewClient(nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"team/app", "team/notes"} {
		repo, err := client.Repository(registry.Reference{Host: server.Host, Repository: name})
		if err != nil {
			log.Fatal(err)
		}
		if err := repo.Push(ctx, ocispec.DescriptorEmptyJSON, strings.NewReader("{}")); err != nil {
			log.Fatal(err)
		}
	}
	for name, err := range client.Repositories(ctx, server.Host) {
		if err != nil {
			log.Fatal(err) // registry.ErrUnsupported: it has no such list
		}
		fmt.Println(name)
	}
	// Output:
	// team/app
	// team/notes
}

func ExampleClient_Capabilities() {
	ctx := context.Background()
	server := registrytest.New(nil)
	defer server.Close()

	client, err := registry.NewClient(nil)
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.Capabilities(ctx, registry.Reference{Host: server.Host})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("catalog:", c.Catalog.Value, "by", c.Catalog.Source)
	fmt.Println("mount:", c.Mount.Value)
	again, err := client.Capabilities(ctx, registry.Reference{Host: server.Host})
	fmt.Println(c.Requests, again.Requests, err)
	// Output:
	// catalog: listed by probe
	// mount: unknown
	// 3 0 <nil>
}
