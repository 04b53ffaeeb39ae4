package registry_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// TestReferrersPages: a list of referrers goes on by the rules of all lists.
func TestReferrersPages(t *testing.T) {
	for _, tc := range []struct {
		name, link string
		want       string // the artifact types that are listed
		paged      bool   // the error is a PageError
	}{
		{"relative", `<?p=2>; rel="next"`, "a b", false},
		{"foreign", `<https://elsewhere.invalid/v2/>; rel="next"`, "a", true},
		{"repeated", `<?p=1>; rel="next"`, "a", true},
		{"none", ``, "a", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			repo := hostile(t, func(w http.ResponseWriter, req *http.Request) {
				artifactType := "a"
				if req.URL.Query().Get("p") == "2" {
					artifactType = "b"
				} else if tc.link != "" {
					w.Header().Set("Link", tc.link)
				}
				w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
				fmt.Fprintf(w, `{"schemaVersion":2,"manifests":[{"mediaType":"application/x","digest":%q,"size":2,"artifactType":%q}]}`,
					digest.FromString(artifactType), artifactType)
			})
			var got []string
			var failed error
			for d, err := range registry.Referrers(t.Context(), repo, ocispec.DescriptorEmptyJSON, "") {
				if err != nil {
					failed = err
					continue
				}
				got = append(got, d.ArtifactType)
			}
			if _, paged := errors.AsType[*registry.PageError](failed); paged != tc.paged || !slices.Equal(got, strings.Fields(tc.want)) {
				t.Errorf("%q, %v", got, failed)
			}
		})
	}
}
