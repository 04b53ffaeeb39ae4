package auth_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/portolan-oci/portolan/auth"
)

// A credential for a namespace, before one for the whole host.
func Example() {
	team, _ := auth.ParseResource("oci://registry.example/team")
	host, _ := auth.ParseResource("https://registry.example/")
	p := auth.Chain(
		auth.Static(team, auth.Credential{Username: "robot", Password: auth.NewSecret("s3cret")}),
		auth.Static(host, auth.Credential{Username: "reader", Password: auth.NewSecret("0ther")}),
	)
	for _, s := range []string{"registry.example/team/app", "registry.example/public", "elsewhere.example"} {
		r, _ := auth.ParseResource(s)
		c, err := p.Credential(context.Background(), r)
		if errors.Is(err, auth.ErrNoCredential) {
			fmt.Println(r, "anonymous")
			continue
		}
		fmt.Println(r, c.Username, c.Password, "from", c.Origin)
	}
	// Output:
	// registry.example/team/app robot REDACTED from static (registry.example/team)
	// registry.example/public reader REDACTED from static (registry.example)
	// elsewhere.example anonymous
}
