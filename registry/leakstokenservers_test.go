package registry_test

import (
	"crypto/tls"
	"fmt"
	"testing"

	"github.com/portolan-oci/portolan/registry"
)

// Test59TwoTokenServers: the certificate for one token server is not shown to
// another that the same client asks.
func Test59TwoTokenServers(t *testing.T) {
	content := []byte("content")
	n := newLeaksNames(t, content)
	client := n.client(t, &registry.Options{}, func(host string) *registry.TLS {
		config := &registry.TLS{InsecureSkipVerify: true}
		if host == "auth.example" {
			config.Certificates = []tls.Certificate{leakCertificate(t, "a")}
		}
		return config
	})
	for _, host := range []string{"r.example", "s.example"} {
		if err := n.fetchFrom(t, host, client, content); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"r.example": "", "s.example": "", "auth.example": "a", "others.example": "", "blobs.example": ""}
	if got := fmt.Sprint(n.shown); got != fmt.Sprint(want) {
		t.Errorf("certificates by server name: %s, want %v", got, want)
	}
}
