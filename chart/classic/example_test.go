package classic_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/classic"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func Example() {
	ctx := context.Background()
	// A web server with an index and one chart, as "helm repo index" leaves it.
	var archive bytes.Buffer
	if _, err := chart.Package(ctx, "../testdata/charts/mariner", &archive, nil); err != nil {
		log.Fatal(err)
	}
	files := map[string][]byte{"/mariner-0.3.1.tgz": archive.Bytes(), "/index.yaml": []byte(`apiVersion: v1
entries:
  mariner:
  - apiVersion: v2
    name: mariner
    version: 0.3.1
    urls:
    - mariner-0.3.1.tgz
`)}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(files[r.URL.Path]) }))
	defer web.Close()
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
	repository, err := classic.Open(client, web.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer repository.Close()

	versions, err := repository.Versions(ctx, "mariner")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("versions", versions)
	namespace := registry.Reference{Host: server.Host, Repository: "team"}
	for copied, err := range classic.Copy(ctx, repository, namespace, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("copied to", copied.Reference.Repository, copied.Reference.Tag)
	}
	// Output:
	// versions [0.3.1]
	// copied to team/mariner 0.3.1
}
