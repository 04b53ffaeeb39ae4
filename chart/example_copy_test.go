package chart_test

import (
	"context"
	"fmt"
	"log"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func ExampleClient_Copy() {
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
	packed, err := chart.Pack(ctx, "testdata/charts/mariner", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer packed.Close()
	team := registry.Reference{Host: server.Host, Repository: "team/mariner"}
	if _, err := client.Push(ctx, packed, team, chart.PushOptions{}); err != nil {
		log.Fatal(err)
	}

	from, err := client.CopyFrom(team)
	if err != nil {
		log.Fatal(err)
	}
	to, err := client.CopyTo(registry.Reference{Host: server.Host, Repository: "mirror/mariner"})
	if err != nil {
		log.Fatal(err)
	}
	copied, err := client.Copy(ctx, from, to, chart.CopyOptions{Referrers: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(copied.Reference.Repository, copied.Reference.Tag, copied.Manifest.Digest == packed.Manifest.Digest)
	fmt.Println("the archive was mounted, not sent:", copied.Mounted >= packed.Layer.Size)
	// Output:
	// mirror/mariner 0.3.1 true
	// the archive was mounted, not sent: true
}
