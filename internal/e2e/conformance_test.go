package e2e_test

import (
	"crypto/x509"
	"testing"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// TestConformance runs the whole client against the distribution registry,
// open, with passwords over TLS, and with tokens.
func TestConformance(t *testing.T) {
	ca := newAuthority(t)
	for name, options := range map[string]registryOptions{
		"open":     {},
		"password": {htpasswd: true, ca: ca},
		"tokens":   {tokens: startTokenServer(t)},
	} {
		t.Run(name, func(t *testing.T) {
			r := startRegistry(t, options)
			client, err := registry.NewClient(&registry.Options{
				Credentials: auth.Static(auth.Resource{Host: r.host}, auth.Credential{Username: userName, Password: auth.NewSecret(password)}),
				Hosts: func(host string) (registry.HostConfig, error) {
					if host == r.host && options.ca != nil {
						return registry.HostConfig{TLS: &registry.TLS{Roots: []*x509.Certificate{ca.cert}}}, nil
					}
					return registry.HostConfig{}, nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			report := registrytest.Conformance(t.Context(), client, registry.Reference{Host: r.host, Repository: "harbour/conformance"})
			if err := report.Err(); err != nil {
				t.Error(err)
			}
			t.Logf("\n%v", report)
		})
	}
}
