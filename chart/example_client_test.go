package chart_test

import (
	"context"
	"fmt"
	"log"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func ExampleClient() {
	ctx := context.Background()
	server := registrytest.New(nil) // any registry will do
	defer server.Close()
	registries, err := registry.NewClient(nil)
	if err != nil {
		log.Fatal(err)
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: registries, Cache: cache.None()})
	if err != nil {
		log.Fatal(err)
	}

	packed, err := chart.Pack(ctx, "testdata/charts/mariner", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer packed.Close()
	ref := registry.Reference{Host: server.Host, Repository: "team/mariner"}
	pushed, err := client.Push(ctx, packed, ref, chart.PushOptions{Tags: []string{"stable"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("pushed", pushed.Reference.Tag, pushed.Tags)

	pulled, err := client.Pull(ctx, ref, chart.PullOptions{Selector: chart.Selector{Version: ">=0.1"}})
	if err != nil {
		log.Fatal(err)
	}
	defer pulled.Close()
	fmt.Println("pulled", pulled.Version, pulled.Origin.How, pulled.Origin.Manifest == pushed.Manifest.Digest)
	// Output:
	// pushed 0.3.1 [stable]
	// pulled 0.3.1 range true
}
