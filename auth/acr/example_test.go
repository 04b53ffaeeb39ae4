package acr_test

import (
	"context"
	"fmt"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/auth/acr"
)

// Who would answer for a host, and why nobody does for one that only looks
// like a registry of Azure. Nothing is asked over the network for it.
func Example() {
	azure, err := acr.New(&acr.Options{NoMetadata: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := auth.Chain(azure) // and what else there is: a docker configuration, a helper
	for _, host := range []string{"contoso.azurecr.io.evil.example", "contoso.eastus.data.azurecr.io"} {
		r, _ := auth.ParseResource(host)
		findings, _ := auth.Explain(context.Background(), p, r)
		for _, f := range findings {
			fmt.Printf("%s: %s: %s\n", r, f.Outcome, f.Reason)
		}
	}
	// Output:
	// contoso.azurecr.io.evil.example: none: the host is not a login server of Azure Container Registry
	// contoso.eastus.data.azurecr.io: none: the host is a data endpoint of a registry, which takes no login
}
