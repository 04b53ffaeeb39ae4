package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// hostile opens app on a registry that is this handler.
func hostile(t *testing.T, handler http.HandlerFunc) *registry.Repository {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	client, err := registry.NewClient(impatient(nil))
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: strings.TrimPrefix(s.URL, "http://"), Repository: "app"})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func TestTagListsAreBounded(t *testing.T) {
	page := `{"tags":["` + strings.Repeat(`1.0.0","`, 50_000) + `1"]}`
	n := 0
	repo := hostile(t, func(w http.ResponseWriter, req *http.Request) {
		n++
		w.Header().Set("Link", fmt.Sprintf(`</v2/app/tags/list?last=%d>; rel="next"`, n))
		io.WriteString(w, page)
	})
	err := repo.Tags(t.Context(), "", func([]string) error { return nil })
	if err == nil || n > 6 {
		t.Errorf("listed %d pages of 50,000 tags: %v", n, err)
	}
}

func TestHeadOfAnotherDigest(t *testing.T) {
	repo := hostile(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
		w.Header().Set("Docker-Content-Digest", digest.FromString("other").String())
		w.Header().Set("Content-Length", "5")
	})
	if _, err := repo.Resolve(t.Context(), string(someDigest)); !errors.Is(err, registry.ErrDigestMismatch) {
		t.Errorf("error = %v", err)
	}
}

func TestErrorsHaveNoTerminalControls(t *testing.T) {
	const evil = "\x1b]0;title\a\x1b[2J\u009b31m\u202e"
	for name, handler := range map[string]http.HandlerFunc{
		"codes and messages": func(w http.ResponseWriter, req *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, evil, strings.Repeat(evil, 1000))
		},
		"location": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Location", "https://%c2%9b31m.invalid/x")
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"digest": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", "\u009b31m")
			io.WriteString(w, "{}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			repo := hostile(t, handler)
			_, _, err := repo.FetchReference(t.Context(), "1")
			if err == nil {
				t.Fatal("no error")
			}
			if text := err.Error(); strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) || len(text) > 4096 {
				t.Errorf("%d bytes: %q", len(text), text)
			}
		})
	}
}

func Test55RedirectsShowNoSignature(t *testing.T) {
	var referers []string
	third := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		referers = append(referers, req.Header.Get("Referer"))
		io.WriteString(w, "content")
	}))
	defer third.Close()
	second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		referers = append(referers, req.Header.Get("Referer"))
		http.Redirect(w, req, third.URL, http.StatusTemporaryRedirect)
	}))
	defer second.Close()
	desc := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromString("content"), Size: 7}
	repo := hostile(t, func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, second.URL+"/x?sig=canary", http.StatusTemporaryRedirect)
	})
	rc, err := repo.Fetch(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	rc.Close()
	if len(referers) != 2 || referers[0]+referers[1] != "" {
		t.Errorf("the hosts were sent referers %q", referers)
	}
	for _, location := range []string{"https://b.invalid/%zz?sig=canary", "ftp://b.invalid/?sig=canary"} {
		repo := hostile(t, func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusTemporaryRedirect)
		})
		_, err := repo.Fetch(t.Context(), desc)
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("redirect to %s: %v", location, err)
		}
	}
}

func TestRepositoryNamedAsARoute(t *testing.T) {
	s := server(t, &registrytest.Options{Auth: registrytest.Bearer, AnonymousPull: true})
	open := server(t, nil)
	client, err := registry.NewClient(impatient(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"team/manifests/app", "team/blobs/app", "manifests/tags"} {
		repo, err := client.Repository(registry.Reference{Host: open.Host, Repository: name})
		if err != nil {
			t.Fatal(err)
		}
		large := bytes.Repeat([]byte("x"), 5<<20) // more than a manifest may have
		desc := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(large), Size: int64(len(large))}
		if err := repo.Push(t.Context(), desc, bytes.NewReader(large)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		artifact(t, repo, "1", name)
		rc, err := repo.Fetch(t.Context(), desc)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n, err := io.Copy(io.Discard, rc); err != nil || n != desc.Size {
			t.Errorf("%s: read %d bytes, %v", name, n, err)
		}
		rc.Close()
		private, err := client.Repository(registry.Reference{Host: s.Host, Repository: name})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := private.Resolve(t.Context(), "1"); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: with a token: %v", name, err)
		}
	}
}

func Test48IdentityIsGoneOnceLeft(t *testing.T) {
	var front *httptest.Server
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, front.URL+"/back", http.StatusTemporaryRedirect)
	}))
	defer away.Close()
	seen := map[string]bool{}
	front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _, signed := req.BasicAuth()
		seen[req.URL.Path] = signed
		switch {
		case req.URL.Path == "/here" || req.URL.Path == "/back":
			io.WriteString(w, "content")
		case !signed:
			w.Header().Set("WWW-Authenticate", `Basic realm="front"`)
			w.WriteHeader(http.StatusUnauthorized)
		case strings.Contains(req.URL.Path, "/stays/"):
			http.Redirect(w, req, "/here", http.StatusTemporaryRedirect)
		default:
			http.Redirect(w, req, away.URL, http.StatusTemporaryRedirect)
		}
	}))
	defer front.Close()
	host := strings.TrimPrefix(front.URL, "http://")
	client, err := registry.NewClient(&registry.Options{
		Credentials: auth.Static(auth.Resource{Host: host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"stays", "leaves"} {
		repo, err := client.Repository(registry.Reference{Host: host, Repository: name})
		if err != nil {
			t.Fatal(err)
		}
		rc, err := repo.Fetch(t.Context(), ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromString("content"), Size: 7})
		if err != nil {
			t.Fatal(err)
		}
		rc.Close()
	}
	if !seen["/here"] || seen["/back"] {
		t.Errorf("signed at the origin: %v, wanted; signed after another host: %v, not wanted", seen["/here"], seen["/back"])
	}
}
