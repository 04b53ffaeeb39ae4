package cache_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

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

// A program that runs for long, or often, bounds its cache.
func ExampleStore_Collect() {
	dir, err := os.MkdirTemp("", "cache")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := cache.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	data := "content that was used a moment ago"
	desc := ocispec.Descriptor{Digest: digest.FromString(data), Size: int64(len(data))}
	if err := store.Put(context.Background(), desc, strings.NewReader(data)); err != nil {
		log.Fatal(err)
	}
	limits := cache.Limits{MaxAge: 30 * 24 * time.Hour, MaxSize: 5 << 30}
	done, err := store.Collect(context.Background(), limits, cache.CollectOptions{DryRun: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("would remove %d bytes, and keep %d\n", done.RemovedBytes, done.KeptBytes)
	// Output: would remove 0 bytes, and keep 34
}
