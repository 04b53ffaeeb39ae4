package gar_test

import (
	"context"
	"fmt"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/auth/gar"
)

// Why nobody answers for a host that only looks like a registry of Google.
// Nothing is asked over the network for it.
func Example() {
	google, err := gar.New(&gar.Options{NoMetadata: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := auth.Chain(google) // and what else there is: a docker configuration, a helper
	r, _ := auth.ParseResource("us-docker.pkg.dev.evil.example/project/charts")
	findings, _ := auth.Explain(context.Background(), p, r)
	for _, f := range findings {
		fmt.Printf("%s: %s: %s\n", r, f.Outcome, f.Reason)
	}
	// Output:
	// us-docker.pkg.dev.evil.example/project/charts: none: the host is not a registry of Google
}
