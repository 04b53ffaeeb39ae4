package ecr_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/auth/ecr"
)

// The provider goes into a chain with others. Here the environment has half of
// an access key, which matters to hosts of Amazon ECR alone.
func Example() {
	environment := map[string]string{"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}
	amazon, err := ecr.New(&ecr.Options{Getenv: func(name string) string { return environment[name] }})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := auth.Chain(amazon)
	for _, s := range []string{
		"ghcr.io/team/app",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com.registry.example/team/app",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app",
	} {
		r, _ := auth.ParseResource(s)
		_, err := p.Credential(context.Background(), r)
		fmt.Println(r.Host, errors.Is(err, auth.ErrNoCredential), errors.Is(err, auth.ErrConfigInvalid))
	}
	findings, _ := auth.Explain(context.Background(), p, auth.Resource{Host: "123456789012.dkr.ecr.eu-west-1.amazonaws.com"})
	for _, f := range findings {
		fmt.Printf("%s: %s\n", f.Origin, f.Outcome)
	}
	// Output:
	// ghcr.io true false
	// 123456789012.dkr.ecr.eu-west-1.amazonaws.com.registry.example true false
	// 123456789012.dkr.ecr.eu-west-1.amazonaws.com true true
	// AWS environment variables: failed
}
