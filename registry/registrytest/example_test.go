package registrytest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

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

func ExampleServer_SetFaults() {
	server := registrytest.New(nil)
	defer server.Close()
	server.SetFaults(
		&registrytest.Faults{Status: 503, Code: "UNAVAILABLE", Header: registrytest.RetryAfter(time.Second), Times: 1},
		&registrytest.Faults{Match: registrytest.Blobs, Cut: true, At: registrytest.MidBody, Probability: 0.1, Seed: 7},
	)
	for range 2 {
		resp, err := http.Get(server.URL + "/v2/")
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
		fmt.Println(resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	// Output:
	// 503 1
	// 200
}

func ExampleConformance() {
	server := registrytest.New(&registrytest.Options{NoMount: true})
	defer server.Close()
	client, err := registry.NewClient(nil)
	if err != nil {
		log.Fatal(err)
	}
	report := registrytest.Conformance(context.Background(), client, registry.Reference{Host: server.Host, Repository: "team/app"})
	if err := report.Err(); err != nil {
		log.Fatal(err)
	}
	for _, check := range report.Checks {
		if check.Name == "mount a blob" {
			fmt.Println(check.Outcome)
		}
	}
	// Output: unsupported
}
