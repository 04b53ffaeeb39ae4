// Command quickstart takes a chart through a registry and back, and prints
// what each step costs: the program of the README with its bill. The registry
// runs in the process, so nothing needs to be set up:
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"embed"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

//go:embed voyage
var charts embed.FS

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal("quickstart: ", err)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "quickstart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, charts); err != nil {
		return err
	}
	server := registrytest.New(nil)
	defer server.Close()
	client, err := newClient(filepath.Join(dir, "cache"))
	if err != nil {
		return err
	}
	return voyage(ctx, client, server, filepath.Join(dir, "voyage"), dir)
}

// newClient is chart.NewDefault with a cache of its own.
func newClient(cacheDir string) (*chart.Client, error) {
	registries, err := registry.NewClient(nil)
	if err != nil {
		return nil, err
	}
	store, err := cache.Open(cacheDir, nil)
	if err != nil {
		return nil, err
	}
	return chart.NewClient(&chart.ClientOptions{Registry: registries, Cache: store})
}

// voyage is the main job, from a directory to a registry and back.
func voyage(ctx context.Context, client *chart.Client, server *registrytest.Server, dir, out string) error {
	step := func(format string, args ...any) {
		fmt.Printf("%s\n    cost: %s\n", fmt.Sprintf(format, args...), server.Cost())
		server.Reset()
	}
	ref, err := registry.ParseReference(server.Host + "/team/voyage")
	if err != nil {
		return err
	}

	packed, err := chart.Pack(ctx, dir, nil)
	if err != nil {
		return err
	}
	defer packed.Close()
	step("packaged %s %s: manifest %s", packed.Metadata.Name, packed.Metadata.Version, packed.Manifest.Digest)

	pushed, err := client.Push(ctx, packed, ref, chart.PushOptions{})
	if err != nil {
		return err
	}
	step("pushed   %s", pushed.Reference)

	resolved, err := client.Resolve(ctx, ref, chart.Selector{Version: "^1"})
	if err != nil {
		return err
	}
	step("resolved ^1 to %s", resolved.Reference)

	for _, when := range []string{"first", "second"} {
		pulled, err := client.Pull(ctx, ref.WithTag(resolved.Reference.Tag), chart.PullOptions{})
		if err != nil {
			return err
		}
		path, err := pulled.Save(ctx, out)
		pulled.Close()
		if err != nil {
			return err
		}
		step("pulled   %s, the %s time, from the %s", filepath.Base(path), when, pulled.Origin.From)
	}

	for v, err := range client.Versions(ctx, ref, chart.VersionOptions{}) {
		if err != nil {
			return err
		}
		fmt.Printf("version  %s\n", v.Version)
	}
	step("listed the versions")
	return nil
}
