package registry_test

import (
	"testing"

	"github.com/portolan-oci/portolan/registry"
)

// Layouts and caches tell of content by its digest, which is of no repository.
func TestReferenceOfDigestAlone(t *testing.T) {
	const d = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
	if got := (registry.Reference{Digest: d}).String(); got != d {
		t.Errorf("%q, want the digest alone", got)
	}
	if got := (registry.Reference{Tag: "1.0.0"}).String(); got != "1.0.0" {
		t.Errorf("%q, want the tag alone", got)
	}
	if got := (registry.Reference{Tag: "1.0.0", Digest: d}).String(); got != "1.0.0@"+d {
		t.Errorf("%q, want tag and digest", got)
	}
}
