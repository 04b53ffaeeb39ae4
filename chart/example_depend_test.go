package chart_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// A chart takes in another that lies beside it, and locks its version.
func ExampleClient_UpdateDependencies() {
	base, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(base)
	boat := filepath.Join(base, "boat")
	for file, text := range map[string]string{
		"anchor/Chart.yaml": "apiVersion: v2\nname: anchor\nversion: 3.1.4\n",
		"boat/Chart.yaml":   "apiVersion: v2\nname: boat\nversion: 1.0.0\ndependencies:\n- {name: anchor, version: ^3, repository: file://../anchor}\n",
	} {
		path := filepath.Join(base, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}

	hosts, err := registry.NewClient(nil)
	if err != nil {
		log.Fatal(err)
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: hosts})
	if err != nil {
		log.Fatal(err)
	}
	lock, err := client.UpdateDependencies(context.Background(), boat, chart.DependencyOptions{FileRoot: base})
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range lock.Dependencies {
		fmt.Println(d.Name, d.Version)
	}
	files, err := filepath.Glob(filepath.Join(boat, "*", "*.tgz"))
	if err != nil {
		log.Fatal(err)
	}
	for _, file := range files {
		fmt.Println(filepath.Base(filepath.Dir(file)), filepath.Base(file))
	}
	// Output:
	// anchor 3.1.4
	// charts anchor-3.1.4.tgz
}
