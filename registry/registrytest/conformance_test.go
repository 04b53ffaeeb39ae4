package registrytest_test

import (
	"crypto/x509"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// quirksConformance runs the client against a registry and returns what is
// unsupported there.
func quirksConformance(t *testing.T, client *registry.Client, host string) (report registrytest.Report, unsupported string) {
	t.Helper()
	report = registrytest.Conformance(t.Context(), client, registry.Reference{Host: host, Repository: "team/app"})
	if err := report.Err(); err != nil {
		t.Errorf("%v\n%v", err, report)
	}
	var names []string
	for _, c := range report.Checks {
		if c.Outcome == registrytest.Unsupported {
			names = append(names, c.Name)
		}
	}
	return report, strings.Join(names, ", ")
}

func TestConformance(t *testing.T) {
	type options = registrytest.Options
	for _, tc := range []struct {
		name    string
		options options
	}{
		{"conforming", options{}},
		{"TLS", options{TLS: true}},
		{"Basic", options{Auth: registrytest.Basic, Users: map[string]string{"me": "canary"}}},
		{"Bearer", options{Auth: registrytest.Bearer, Users: map[string]string{"me": "canary"}}},
		{"short pages", options{PageSize: 2}},
		{"opaque links", options{PageSize: 2, Lists: registrytest.ListOptions{Link: registrytest.LinkOpaque, EmptyLastPage: true, Null: true}}},
		{"no HEAD", options{Manifests: registrytest.ManifestOptions{NoHead: true}}},
		{"no digest", options{Manifests: registrytest.ManifestOptions{NoDigest: true}}},
		{"no length", options{Manifests: registrytest.ManifestOptions{NoLength: true}}},
		{"strict Accept", options{Manifests: registrytest.ManifestOptions{StrictAccept: true}}},
		{"no referrers", options{NoReferrers: true}},
		{"no mount", options{NoMount: true}},
		{"no deletes", options{Deletes: registrytest.DeleteOptions{None: true}}},
		{"tags cannot be deleted", options{Deletes: registrytest.DeleteOptions{NoTags: true}}},
		{"a tag is its manifest", options{Deletes: registrytest.DeleteOptions{TagIsManifest: true}}},
		{"no catalog", options{Catalog: registrytest.CatalogOptions{Status: 404}}},
		{"catalog of administrators", options{Auth: registrytest.Bearer, Users: map[string]string{"me": "canary"}, Catalog: registrytest.CatalogOptions{Status: 401}}},
		{"limited referrers", options{Referrers: registrytest.ReferrersRedirect}},
		{"split realm", options{Auth: registrytest.Bearer, SplitRealm: true, Users: map[string]string{"me": "canary"}}},
		{"no ranges", options{Blobs: registrytest.BlobOptions{Ranges: registrytest.RangesIgnored}}},
		{"redirects", options{Blobs: registrytest.BlobOptions{Redirect: true}}},
		{"relative locations", options{Uploads: registrytest.UploadOptions{Location: registrytest.LocationRelative, Query: true}}},
		{"no whole blobs", options{Uploads: registrytest.UploadOptions{Monolithic: 405}}},
		{"no whole blobs nor cancelling", options{Uploads: registrytest.UploadOptions{Monolithic: 501, NoStatus: true, NoCancel: true}}},
		{"large parts only", options{Uploads: registrytest.UploadOptions{Monolithic: 411, MinChunk: 1 << 20}}},
		{"small bodies only", options{Uploads: registrytest.UploadOptions{MaxBody: 1 << 20}}},
		{"single POST", options{Uploads: registrytest.UploadOptions{SinglePost: true}}},
		{"locations elsewhere", options{Uploads: registrytest.UploadOptions{Location: registrytest.LocationStorage, Query: true}}},
		{"immutable tags as Harbor's", options{Manifests: registrytest.ManifestOptions{Immutable: registrytest.ImmutableHarbor}}},
		{"immutable tags as ECR's", options{Manifests: registrytest.ManifestOptions{Immutable: registrytest.ImmutableECR}}},
		{"immutable tags as Docker Hub's", options{Manifests: registrytest.ManifestOptions{Immutable: registrytest.ImmutableHub}}},
		{"immutable tags, conflict", options{Manifests: registrytest.ManifestOptions{Immutable: registrytest.ImmutableConflict}}},
		{"distribution", options{NoReferrers: true, Manifests: registrytest.ManifestOptions{StrictAccept: true},
			Uploads: registrytest.UploadOptions{Location: registrytest.LocationAbsolute, Query: true}, Blobs: registrytest.BlobOptions{Redirect: true}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := quirksServer(t, &tc.options)
			client, err := registry.NewClient(&registry.Options{
				Credentials: auth.Static(auth.Resource{Host: s.Host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")}),
				Hosts: func(string) (registry.HostConfig, error) {
					if root := s.Certificate(); root != nil {
						return registry.HostConfig{TLS: &registry.TLS{Roots: []*x509.Certificate{root}}}, nil
					}
					return registry.HostConfig{}, nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			report, unsupported := quirksConformance(t, client, s.Host)
			t.Logf("unsupported: %s", unsupported)
			requests := 0
			for _, c := range report.Checks {
				requests += c.Requests
			}
			seen := len(s.Requests())
			if s.Storage != nil {
				seen += len(s.Storage.Requests())
			}
			if requests != seen {
				t.Errorf("the report counts %d requests, the server %d", requests, seen)
			}
			if tc.options.Auth == registrytest.Open && !tc.options.TLS && !strings.Contains(unsupported, "leave nothing") {
				if left := quirksList(t, s.URL+"/v2/team/app/tags/list", "tags"); left[0] != "" && left[0] != "null" {
					t.Errorf("left behind: %q", left)
				}
			}
		})
	}
}

func TestConformanceOfOcimem(t *testing.T) {
	s := httptest.NewServer(ociserver.New(ocimem.New(), nil))
	defer s.Close()
	client, err := registry.NewClient(&registry.Options{Retry: registry.Retry{Attempts: 1}}) // it answers 500 where it means 400
	if err != nil {
		t.Fatal(err)
	}
	quirksConformance(t, client, strings.TrimPrefix(s.URL, "http://"))
}

// TestConformanceThroughFaults: a third of all reads fails, and everything is
// right in the end.
func TestConformanceThroughFaults(t *testing.T) {
	reads := registrytest.Method("GET", "HEAD")
	s := quirksServer(t, nil)
	s.SetFaults(
		&registrytest.Faults{Match: reads, Probability: 0.1, Seed: 1, Status: 503},
		&registrytest.Faults{Match: reads, Probability: 0.1, Seed: 2, Reset: true},
		&registrytest.Faults{Match: reads, Probability: 0.1, Seed: 3, Cut: true, At: registrytest.MidBody},
	)
	client, err := registry.NewClient(&registry.Options{Retry: registry.Retry{Wait: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	quirksConformance(t, client, s.Host)
	failed := 0
	for _, r := range s.Requests() {
		if r.Status == 0 || r.Status == 503 {
			failed++
		}
	}
	if failed < 10 {
		t.Errorf("%d requests failed: the faults are not in force", failed)
	}
}

// TestConformanceFindsFaults: checks that pass whatever happens are worth
// nothing.
func TestConformanceFindsFaults(t *testing.T) {
	for _, tc := range []struct {
		name   string
		faults registrytest.Faults
		failed string
	}{
		{"corrupt blobs", registrytest.Faults{Match: registrytest.All(registrytest.Blobs, registrytest.Method("GET")), Corrupt: true}, "fetch a blob"},
		{"corrupt manifests", registrytest.Faults{Match: registrytest.All(registrytest.Manifests, registrytest.Method("GET")), Corrupt: true}, "fetch a manifest"},
		{"lists are missing", registrytest.Faults{Match: registrytest.TagLists, Status: 404, Code: "NAME_UNKNOWN"}, "list tags"},
		{"failing uploads", registrytest.Faults{Match: registrytest.Uploads, Status: 400, Code: "BLOB_UPLOAD_INVALID"}, "push blobs"},
	} {
		s := quirksServer(t, nil)
		s.SetFaults(&tc.faults)
		client, err := registry.NewClient(&registry.Options{Retry: registry.Retry{Attempts: 1}})
		if err != nil {
			t.Fatal(err)
		}
		report := registrytest.Conformance(t.Context(), client, registry.Reference{Host: s.Host, Repository: "team/app"})
		if err := report.Err(); err == nil || !strings.Contains(err.Error(), tc.failed+": ") {
			t.Errorf("%s: %v\n%v", tc.name, err, report)
		}
	}
}
