package cache_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// A chart's manifest is read three times: the first time it has to be fetched,
// then the tag is confirmed, then nobody is asked.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "cache-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := cache.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}

	ref, err := registry.ParseReference("registry.example.com/team/app:1.0.0")
	if err != nil {
		log.Fatal(err)
	}
	remote := newFake() // a registry's repository, in other programs
	remote.add("1.0.0", []byte("a packed chart"))

	for _, policy := range []cache.Policy{{}, {}, {Offline: true}} {
		source := store.Through(fullSource{remote}, ref, policy)
		manifest, resolved, err := source.FetchManifest(ctx, ref.Object())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d bytes, answered by the %s; requests: %q\n", len(manifest), resolved.Origin, remote.spent())
	}
	// Output:
	// 350 bytes, answered by the network; requests: "FetchReference"
	// 350 bytes, answered by the network; requests: "Resolve"
	// 350 bytes, answered by the cache; requests: ""
}
