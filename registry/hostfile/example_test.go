package hostfile_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/hostfile"
)

func Example() {
	dir, err := os.MkdirTemp("", "hostfile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "registries.conf")
	if err := os.WriteFile(file, []byte(`
[[registry]]
location = "ghcr.io"
[[registry.mirror]]
location = "cache.example.com:5000/ghcr"
pull-from-mirror = "digest-only"

[aliases]
team = "ghcr.io/example/team"
`), 0o600); err != nil {
		log.Fatal(err)
	}

	files, err := hostfile.LoadRegistries(file, file+".d")
	if err != nil {
		log.Fatal(err)
	}
	client, err := registry.NewClient(&registry.Options{Hosts: files.Hosts, Aliases: files.Aliases})
	if err != nil {
		log.Fatal(err)
	}
	ref, err := client.ParseReference("team/app:1.0.0")
	fmt.Println(ref, err)

	config, err := files.Hosts("ghcr.io")
	fmt.Println(config.Mirrors[0].Host, config.Mirrors[0].Prefix, err)
	// Output:
	// ghcr.io/example/team/app:1.0.0 <nil>
	// cache.example.com:5000 ghcr <nil>
}
