package chart_test

import (
	"context"
	"fmt"
	"log"

	"github.com/portolan-oci/portolan/chart"
)

// A chart directory becomes what a registry keeps of it, offline. The digest
// is the one that it will have in every registry.
func Example() {
	packed, err := chart.Pack(context.Background(), "testdata/charts/mariner", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer packed.Close()

	fmt.Println(packed.Metadata.Name, packed.Metadata.Version)
	fmt.Println(packed.Manifest.Digest)
	for entry, err := range packed.Archive().Entries() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(entry.Size, entry.Name)
	}
	// Output:
	// mariner 0.3.1
	// sha256:fb79315f260b44042197a58cc1eac6e37bc42b165622120380ea3572d5ad54e6
	// 581 Chart.yaml
	// 34 .helmignore
	// 41 README.md
	// 44 charts/compass/Chart.yaml
	// 57 charts/compass/templates/configmap.yaml
	// 19 templates/NOTES.txt
	// 67 templates/_helpers.tpl
	// 123 templates/configmap.yaml
	// 68 values.schema.json
	// 56 values.yaml
}
