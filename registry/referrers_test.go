package registry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// refer pushes a manifest whose subject is another one.
func refer(t *testing.T, repo *registry.Repository, subject ocispec.Descriptor, artifactType, note string) ocispec.Descriptor {
	t.Helper()
	desc, data := referrer(t, subject, artifactType, note)
	if err := repo.Push(t.Context(), ocispec.DescriptorEmptyJSON, strings.NewReader("{}")); err != nil {
		t.Fatal(err)
	}
	if err := repo.Push(t.Context(), desc, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	return desc
}

func referrer(t *testing.T, subject ocispec.Descriptor, artifactType, note string) (ocispec.Descriptor, []byte) {
	t.Helper()
	empty := ocispec.DescriptorEmptyJSON
	empty.Data = nil
	data, err := json.Marshal(ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: artifactType, Config: empty, Layers: []ocispec.Descriptor{empty}, Subject: &subject,
		Annotations: map[string]string{"note": note}})
	if err != nil {
		t.Fatal(err)
	}
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(data), Size: int64(len(data))}, data
}

// referrers lists the digests, sorted.
func referrers(t *testing.T, lister registry.ReferrerLister, subject ocispec.Descriptor, artifactType string) []digest.Digest {
	t.Helper()
	all := []digest.Digest{}
	for d, err := range registry.Referrers(t.Context(), lister, subject, artifactType) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d.Digest)
	}
	slices.Sort(all)
	return all
}

func sorted(descs ...ocispec.Descriptor) []digest.Digest {
	all := []digest.Digest{}
	for _, d := range descs {
		all = append(all, d.Digest)
	}
	slices.Sort(all)
	return all
}

func TestReferrers(t *testing.T) {
	const signature, sbom = "application/vnd.example.signature", "application/vnd.example.sbom"
	for name, options := range map[string]registrytest.Options{
		"API":        {},
		"tag schema": {NoReferrers: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, &options)
			repo := repository(t, s, nil)
			subject, _ := artifact(t, repo, "1", "content")
			if got := referrers(t, repo, subject, ""); len(got) != 0 {
				t.Errorf("before there are any: %v", got)
			}
			a, b := refer(t, repo, subject, signature, "a"), refer(t, repo, subject, signature, "b")
			c := refer(t, repo, subject, sbom, "c")
			below := refer(t, repo, a, signature, "of a")
			for _, tc := range []struct {
				artifactType string
				want         []digest.Digest
			}{
				{"", sorted(a, b, c)}, {signature, sorted(a, b)}, {sbom, sorted(c)}, {"application/other", sorted()},
			} {
				if diff := cmp.Diff(tc.want, referrers(t, repo, subject, tc.artifactType)); diff != "" {
					t.Errorf("of type %q (-want +got):\n%s", tc.artifactType, diff)
				}
			}
			if diff := cmp.Diff(sorted(below), referrers(t, repo, a, "")); diff != "" {
				t.Errorf("of a referrer (-want +got):\n%s", diff)
			}
			for d, err := range registry.Referrers(t.Context(), repository(t, s, nil), subject, sbom) {
				if err != nil || options.NoReferrers && (d.ArtifactType != sbom || d.Annotations["note"] != "c") {
					t.Errorf("%+v, %v", d, err)
				}
			}
		})
	}
}

func TestReferrersOfNothing(t *testing.T) {
	repo := repository(t, server(t, nil), nil)
	for name, tc := range map[string]struct {
		desc ocispec.Descriptor
		want error
	}{
		"no digest":     {ocispec.Descriptor{Digest: "latest"}, registry.ErrInvalidReference},
		"no repository": {ocispec.DescriptorEmptyJSON, registry.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			if err := repo.Referrers(t.Context(), tc.desc, "", func([]ocispec.Descriptor) error { return nil }); !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
		})
	}
}

// TestReferrersAPIThatIsNone: what registries answer that have no such API, and
// that must not be taken for the news that there are no referrers.
func TestReferrersAPIThatIsNone(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(web.Close)
	answer := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	for name, tc := range map[string]struct {
		api   http.HandlerFunc
		empty error // where the tag is not there either
	}{
		"404":              {answer(404, "text/plain", "404 page not found"), nil},
		"405":              {answer(405, "application/json", `{"errors":[{"code":"UNSUPPORTED"}]}`), nil},
		"400":              {answer(400, "application/json", `{}`), nil},
		"501":              {answer(501, "application/json", `{}`), nil},
		"web page":         {answer(200, "text/html", "<html>"), nil},
		"other JSON":       {answer(200, "application/json", `{"hello":1}`), nil},
		"303 to a web 429": {func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, web.URL, http.StatusSeeOther) }, nil},
		"429":              {answer(429, "application/json", `{"errors":[{"code":"TOOMANYREQUESTS"}]}`), registry.ErrRateLimited},
		"name unknown":     {answer(404, "application/json", `{"errors":[{"code":"NAME_UNKNOWN"}]}`), registry.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, &registrytest.Options{NoReferrers: true})
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if strings.Contains(req.URL.Path, "/referrers/") {
					tc.api(w, req)
					return
				}
				forward(w, req, s.URL)
			}))
			t.Cleanup(front.Close)
			repo := repository(t, &registrytest.Server{URL: front.URL, Host: strings.TrimPrefix(front.URL, "http://")}, nil)
			subject, _ := artifact(t, repository(t, s, nil), "1", "content")
			err := repo.Referrers(t.Context(), subject, "", func([]ocispec.Descriptor) error { return nil })
			if tc.empty == nil && err != nil || !errors.Is(err, tc.empty) {
				t.Errorf("without a list: error = %v, want %v", err, tc.empty)
			}
			want := refer(t, repository(t, s, nil), subject, "application/x", "a")
			if diff := cmp.Diff(sorted(want), referrers(t, repo, subject, "")); diff != "" {
				t.Errorf("with a list (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReferrersAreBounded: a list without end, and one that is a bomb.
func TestReferrersAreBounded(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"pages": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
			w.Header().Set("Link", fmt.Sprintf(`<%s?n=1>; rel="next"`, req.URL.Path))
			fmt.Fprint(w, `{"schemaVersion":2,"manifests":[]}`)
		},
		"bytes": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
			fmt.Fprint(w, `{"schemaVersion":2,"manifests":[`, strings.Repeat(" ", 5<<20), `]}`)
		},
		"descriptors": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
			fmt.Fprint(w, `{"schemaVersion":2,"manifests":[{}`, strings.Repeat(",{}", 1<<20), `]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			repo := hostile(t, handler)
			err := repo.Referrers(t.Context(), ocispec.DescriptorEmptyJSON, "", func([]ocispec.Descriptor) error { return nil })
			if err == nil {
				t.Error("no error")
			}
		})
	}
}

// TestReferrersWrittenAtOnce: several clients, that know nothing of each other,
// write the list under one tag. None gets lost (ggcr#2205).
func TestReferrersWrittenAtOnce(t *testing.T) {
	s := server(t, &registrytest.Options{NoReferrers: true})
	subject, _ := artifact(t, repository(t, s, nil), "1", "content")
	const writers, each = 4, 2
	var mu sync.Mutex
	var want []ocispec.Descriptor
	var wg sync.WaitGroup
	for i := range writers {
		repo := repository(t, s, nil) // a client of its own, as another process has
		wg.Go(func() {
			for j := range each {
				desc, data := referrer(t, subject, "application/x", fmt.Sprint(i, j))
				if err := repo.Push(t.Context(), desc, bytes.NewReader(data)); err != nil {
					t.Error(err)
				}
				mu.Lock()
				want = append(want, desc)
				mu.Unlock()
			}
		})
	}
	if err := repository(t, s, nil).Push(t.Context(), ocispec.DescriptorEmptyJSON, strings.NewReader("{}")); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if diff := cmp.Diff(sorted(want...), referrers(t, repository(t, s, nil), subject, "")); diff != "" {
		t.Errorf("after %d writers (-want +got):\n%s", writers, diff)
	}
}

// TestReferrersTagOfSomethingElse: a tag of that name which is no list is not
// overwritten.
func TestReferrersTagOfSomethingElse(t *testing.T) {
	s := server(t, &registrytest.Options{NoReferrers: true})
	repo := repository(t, s, nil)
	subject, _ := artifact(t, repo, "1", "content")
	other, _ := artifact(t, repo, registry.ReferrersTag(subject.Digest), "other")
	desc, data := referrer(t, subject, "application/x", "a")
	if err := repo.Push(t.Context(), desc, bytes.NewReader(data)); !errors.Is(err, registry.ErrExists) {
		t.Errorf("error = %v, want %v", err, registry.ErrExists)
	}
	if now, err := repo.Resolve(t.Context(), registry.ReferrersTag(subject.Digest)); err != nil || now.Digest != other.Digest {
		t.Errorf("the tag names %s, %v, want %s", now.Digest, err, other.Digest)
	}
}

func TestReferrersTag(t *testing.T) {
	for d, want := range map[digest.Digest]string{
		digest.FromString("x"):        "sha256-" + digest.FromString("x").Encoded(),
		digest.SHA512.FromString("x"): "sha512-" + digest.SHA512.FromString("x").Encoded()[:64],
	} {
		if got := registry.ReferrersTag(d); got != want || !registry.ValidTag(got) {
			t.Errorf("ReferrersTag(%s) = %s, want %s", d, got, want)
		}
	}
}

// forward sends a request on to another server.
func forward(w http.ResponseWriter, req *http.Request, to string) {
	next, err := http.NewRequestWithContext(req.Context(), req.Method, to+req.URL.RequestURI(), req.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	next.Header = req.Header.Clone()
	resp, err := http.DefaultTransport.RoundTrip(next)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	io.Copy(w, resp.Body)
}

// A list that is cut in two, and looks whole, is asked for once more.
func TestReferrersThatAreCut(t *testing.T) {
	s := server(t, nil)
	repo := repository(t, s, nil)
	manifest, _ := artifact(t, repo, "1", "content")
	s.SetFaults(&registrytest.Faults{Match: registrytest.ReferrerLists, Truncate: true, NoLength: true, Times: 1})
	s.Reset()
	for _, err := range registry.Referrers(t.Context(), repo, manifest, "") {
		if err != nil {
			t.Error(err)
		}
	}
	if n := s.Cost().Requests; n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}
