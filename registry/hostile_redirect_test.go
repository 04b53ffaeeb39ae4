package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// corporate is a host with a header of its own, which it takes for a sign of
// who asks.
func corporate(t *testing.T, config registry.HostConfig) (s *httptest.Server, options *registry.Options, got *[]string) {
	got = new([]string)
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		*got = append(*got, req.Method+" "+req.URL.Path+" "+req.Header.Get("X-Team-Key"))
		w.WriteHeader(map[string]int{"DELETE": 202, "PUT": 201, "POST": 202, "PATCH": 202, "GET": 404, "HEAD": 404}[req.Method])
	}))
	t.Cleanup(s.Close)
	config.Header = http.Header{"X-Team-Key": {"canary"}}
	return s, &registry.Options{
		Retry: registry.Retry{Attempts: 1},
		Hosts: func(host string) (registry.HostConfig, error) {
			if host == strings.TrimPrefix(s.URL, "http://") {
				return config, nil
			}
			return registry.HostConfig{}, nil
		},
	}, got
}

// A registry must not be able to let this client write at another host, nor
// delete there.
func TestWritesAreNotRedirectedElsewhere(t *testing.T) {
	content := []byte(`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageManifest + `"}`)
	manifest := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(content), Size: int64(len(content))}
	blob := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: manifest.Digest, Size: manifest.Size}
	for _, status := range []int{301, 302, 303, 307, 308} {
		for name, write := range map[string]func(context.Context, *registry.Repository) error{
			"blob": func(ctx context.Context, r *registry.Repository) error {
				return r.Push(ctx, blob, bytes.NewReader(content))
			},
			"manifest": func(ctx context.Context, r *registry.Repository) error {
				return r.Push(ctx, manifest, bytes.NewReader(content))
			},
			"tag": func(ctx context.Context, r *registry.Repository) error {
				return r.PushReference(ctx, manifest, bytes.NewReader(content), "1.0.0")
			},
			"delete": func(ctx context.Context, r *registry.Repository) error { return r.Delete(ctx, manifest) },
		} {
			t.Run(fmt.Sprintf("%s %d", name, status), func(t *testing.T) {
				corp, options, got := corporate(t, registry.HostConfig{})
				evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					switch req.Method {
					case http.MethodPost:
						w.Header().Set("Location", "/v2/team/app/blobs/uploads/1")
						w.WriteHeader(http.StatusAccepted)
					case http.MethodGet:
						w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
						w.Write(content)
					default:
						w.Header().Set("Location", corp.URL+"/v2/prod/app/manifests/latest")
						w.WriteHeader(status)
					}
				}))
				defer evil.Close()
				client, err := registry.NewClient(options)
				if err != nil {
					t.Fatal(err)
				}
				repo, err := client.Repository(registry.Reference{Host: strings.TrimPrefix(evil.URL, "http://"), Repository: "team/app"})
				if err != nil {
					t.Fatal(err)
				}
				err = write(t.Context(), repo)
				if e, ok := errors.AsType[*registry.Error](err); !ok || !strings.Contains(e.Error(), "refused a redirect") {
					t.Errorf("error = %v", err)
				}
				if len(*got) > 0 {
					t.Errorf("the other host was sent %q", *got)
				}
			})
		}
	}
}

// A header is a secret: a redirect, or a token server's address, does not make
// it travel in clear to a host that is spoken to by TLS.
func Test53HeadersDoNotTravelInClear(t *testing.T) {
	for name, tc := range map[string]struct {
		config registry.HostConfig
		want   string
	}{
		"TLS":                             {registry.HostConfig{TLS: &registry.TLS{}}, ""},
		"TLS and plain where it is asked": {registry.HostConfig{TLS: &registry.TLS{}, PlaintextCredentials: true}, "canary"},
		"plain":                           {registry.HostConfig{PlainHTTP: true}, "canary"},
		"loopback":                        {registry.HostConfig{}, "canary"},
	} {
		t.Run(name, func(t *testing.T) {
			corp, options, got := corporate(t, tc.config)
			evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				http.Redirect(w, req, corp.URL+"/x", http.StatusTemporaryRedirect)
			}))
			defer evil.Close()
			client, err := registry.NewClient(options)
			if err != nil {
				t.Fatal(err)
			}
			repo, err := client.Repository(registry.Reference{Host: strings.TrimPrefix(evil.URL, "http://"), Repository: "team/app"})
			if err != nil {
				t.Fatal(err)
			}
			repo.FetchReference(t.Context(), "1.0.0")
			if want := "GET /x " + tc.want; len(*got) != 1 || (*got)[0] != want {
				t.Errorf("the host was sent %q, want %q", *got, want)
			}
		})
	}
}

// A body that never comes must not be waited for where it does not count.
func TestAnswersWhoseBodyNeverComes(t *testing.T) {
	for name, tc := range map[string]struct {
		status   int
		location string
		want     error
	}{
		"redirect":              {http.StatusTemporaryRedirect, "/elsewhere", registry.ErrNotFound},
		"perhaps of a TLS port": {http.StatusBadRequest, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path == "/elsewhere" {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				if tc.location != "" {
					w.Header().Set("Location", tc.location)
				}
				w.WriteHeader(tc.status)
				w.(http.Flusher).Flush()
				<-req.Context().Done()
			}))
			t.Cleanup(s.Close)
			t.Cleanup(s.CloseClientConnections)
			client, err := registry.NewClient(&registry.Options{Retry: registry.Retry{Attempts: 1}})
			if err != nil {
				t.Fatal(err)
			}
			repo, err := client.Repository(registry.Reference{Host: strings.TrimPrefix(s.URL, "http://"), Repository: "team/app"})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, rc, err := repo.FetchReference(ctx, "1.0.0")
			if err == nil {
				io.Copy(io.Discard, rc)
				rc.Close()
			}
			if err == nil || ctx.Err() != nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("error = %v", err)
			}
		})
	}
}
