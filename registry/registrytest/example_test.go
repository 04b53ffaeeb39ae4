package registrytest_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func Example() {
	server := registrytest.New(&registrytest.Options{Auth: registrytest.Bearer, AnonymousPull: true})
	defer server.Close()
	client, err := registry.NewClient(nil)
	if err != nil {
		log.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: server.Host, Repository: "team/app"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = repo.Resolve(context.Background(), "1.0.0")
	fmt.Println(errors.Is(err, registry.ErrNotFound))
	for _, r := range server.Requests() {
		fmt.Println(r)
	}

	server.SetFaults(&registrytest.Faults{HTML: true})
	_, err = repo.Resolve(context.Background(), "1.0.0")
	fmt.Println(errors.Is(err, registry.ErrUnavailable))
	// Output:
	// true
	// HEAD /v2/team/app/manifests/1.0.0 401
	// GET /token 200
	// HEAD /v2/team/app/manifests/1.0.0 404
	// true
}
