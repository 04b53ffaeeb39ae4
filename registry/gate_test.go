package registry_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// gateClient makes a client with the fewest places that there can be.
func gateClient(t *testing.T, credentials auth.Provider) *registry.Client {
	t.Helper()
	client, err := registry.NewClient(impatient(&registry.Options{
		Credentials: credentials,
		Hosts:       func(string) (registry.HostConfig, error) { return registry.HostConfig{MaxConcurrent: 2}, nil },
	}))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func gateRepository(t *testing.T, c *registry.Client, host, name string) *registry.Repository {
	t.Helper()
	repo, err := c.Repository(registry.Reference{Host: host, Repository: name})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func gateDescriptor(content []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(content), Size: int64(len(content))}
}

// Many registries serve their tokens themselves: an upload whose content is an
// open download must get its token all the same.
func TestTokensDoNotWaitForOpenBodies(t *testing.T) {
	s := server(t, &registrytest.Options{Auth: registrytest.Bearer, Users: map[string]string{"bob": "song"}})
	client := gateClient(t, auth.Static(auth.Resource{Host: s.Host}, auth.Credential{Username: "bob", Password: auth.NewSecret("song")}))
	content := filler(1 << 20)
	desc := gateDescriptor(content)
	from := gateRepository(t, client, s.Host, "from")
	if err := from.Push(t.Context(), desc, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	rc, err := from.Fetch(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := gateRepository(t, client, s.Host, "to").Push(ctx, desc, rc); err != nil {
		t.Error(err)
	}
}

func TestTokensDoNotWaitForTheirChallenge(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.URL.Path == "/token":
			fmt.Fprint(w, `{"token":"t"}`)
		case req.Header.Get("Authorization") == "":
			w.Header().Set("Www-Authenticate", `Bearer realm="`+s.URL+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			w.Write(bytes.Repeat([]byte("a page of many words "), 1000)) // more than is read of it
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	s.Start()
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	repo := gateRepository(t, gateClient(t, nil), strings.TrimPrefix(s.URL, "http://"), "a")
	if _, _, err := repo.FetchReference(ctx, "1"); ctx.Err() != nil {
		t.Error(err)
	}
}

// Two copies within a host share two places. When the first one's download
// breaks, the second, which waits for a place to read, must not take its place
// and its connection: the first upload would wait for it for ever.
func TestDownloadKeepsItsPlace(t *testing.T) {
	content := filler(8 << 20)
	var gets atomic.Int64
	breaks := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.Method {
		case http.MethodGet:
			if gets.Add(1) == 1 {
				w.Header().Set("Content-Length", strconv.Itoa(len(content)))
				w.Write(content[:1<<20])
				w.(http.Flusher).Flush()
				<-breaks
				panic(http.ErrAbortHandler)
			}
			http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(content))
		case http.MethodPost:
			w.Header().Set("Location", req.URL.Path+"1")
			w.WriteHeader(http.StatusAccepted)
		case http.MethodPut:
			if n, _ := io.Copy(io.Discard, req.Body); n == int64(len(content)) {
				w.WriteHeader(http.StatusCreated)
			}
		}
	}))
	defer s.Close()
	client := gateClient(t, nil)
	host := strings.TrimPrefix(s.URL, "http://")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error, 2)
	copyTo := func(name string) {
		rc, err := gateRepository(t, client, host, "from").Fetch(ctx, gateDescriptor(content))
		if err == nil {
			err = gateRepository(t, client, host, name).Push(ctx, gateDescriptor(content), rc)
			rc.Close()
		}
		done <- err
	}
	go copyTo("one")
	for gets.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	go copyTo("two")
	time.Sleep(100 * time.Millisecond) // the second waits, at the latest when the first breaks
	close(breaks)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A download whose connection breaks before its first byte has a place already:
// it must not queue for another.
func TestDownloadThatBreaksBeforeItsFirstByte(t *testing.T) {
	content := filler(100 << 10)
	var gets atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if gets.Add(1) == 1 {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(content))
	}))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	repo := gateRepository(t, gateClient(t, nil), strings.TrimPrefix(s.URL, "http://"), "a")
	if got, err := fetchAll(ctx, repo, gateDescriptor(content)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
