package ecr_test

import (
	"context"
	"fmt"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/auth/ecr"
)

// Why nobody answers for a host that only looks like a registry of Amazon.
// Nothing is asked over the network for it.
func Example() {
	amazon, err := ecr.New(&ecr.Options{NoMetadata: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := auth.Chain(amazon) // and what else there is: a docker configuration, a helper
	r, _ := auth.ParseResource("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example/team/app")
	findings, _ := auth.Explain(context.Background(), p, r)
	for _, f := range findings {
		fmt.Printf("%s: %s: %s\n", r, f.Outcome, f.Reason)
	}
	// Output:
	// 123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example/team/app: none: the host is not a registry of Amazon ECR
}
