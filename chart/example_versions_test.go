package chart_test

import (
	"context"
	"fmt"
	"log"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func ExampleClient_Versions() {
	ctx := context.Background()
	server := registrytest.New(nil) // any registry will do
	defer server.Close()
	registries, err := registry.NewClient(nil)
	if err != nil {
		log.Fatal(err)
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: registries})
	if err != nil {
		log.Fatal(err)
	}
	ref := registry.Reference{Host: server.Host, Repository: "team/mariner"}
	for _, version := range []string{"0.9.0", "0.10.0", "1.0.0-rc.1"} {
		packed, err := chart.Pack(ctx, "testdata/charts/mariner", &chart.PackOptions{PackageOptions: chart.PackageOptions{Version: version}})
		if err != nil {
			log.Fatal(err)
		}
		defer packed.Close()
		if _, err := client.Push(ctx, packed, ref, chart.PushOptions{}); err != nil {
			log.Fatal(err)
		}
	}
	for v, err := range client.Versions(ctx, ref, chart.VersionOptions{Version: "<1", Metadata: true}) {
		if err != nil {
			log.Fatal(err)
		}
		if v.Err != nil {
			fmt.Println(v.Version, v.Err)
			continue
		}
		fmt.Println(v.Version, v.Metadata.Name, v.Metadata.Type)
	}
	// Output:
	// 0.10.0 mariner application
	// 0.9.0 mariner application
}
