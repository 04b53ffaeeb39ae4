package registry_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func TestHeadThatIsNotAnsweredBecomesAGet(t *testing.T) {
	for name, faults := range map[string]registrytest.Faults{
		"no HEAD":          {NoHead: true},
		"no digest header": {NoDigestHeader: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, nil)
			repo := repository(t, s, nil)
			manifest, _ := artifact(t, repo, "1", "content")
			s.SetFaults(&faults)
			s.Reset()
			got, err := repo.Resolve(t.Context(), "1")
			if err != nil || got.Digest != manifest.Digest || got.Size != manifest.Size || got.MediaType != manifest.MediaType {
				t.Errorf("got %v, %v, want %v", got, err, manifest)
			}
			if methods := s.Cost().Methods(); methods != "HEAD GET" {
				t.Errorf("cost %s, want HEAD GET", methods)
			}
			if _, err := repo.Resolve(t.Context(), "2"); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("tag that is not there: %v", err)
			}
		})
	}
}

func TestTokenServerFailures(t *testing.T) {
	for _, tc := range []struct {
		name   string
		faults registrytest.Faults
		want   error
	}{
		{"busy", registrytest.Faults{Match: registrytest.Tokens, Status: 429}, registry.ErrRateLimited},
		{"broken", registrytest.Faults{Match: registrytest.Tokens, Status: 500}, registry.ErrUnavailable},
		{"cut", registrytest.Faults{Match: registrytest.Tokens, Cut: true}, registry.ErrUnavailable},
		{"refusing", registrytest.Faults{Match: registrytest.Tokens, Status: 401}, registry.ErrUnauthorized},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := server(t, &registrytest.Options{Auth: registrytest.Bearer, Users: map[string]string{"me": "canary"}})
			s.SetFaults(&tc.faults)
			repo := repository(t, s, &registry.Options{Credentials: auth.Static(auth.Resource{Host: s.Host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")})})
			_, err := repo.Resolve(t.Context(), "1")
			if !errors.Is(err, tc.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
			if tc.want != registry.ErrUnauthorized && strings.Contains(err.Error(), "log in") {
				t.Errorf("%q sends the user to log in", err)
			}
		})
	}
}

func TestUploadFaultsAreTheReaders(t *testing.T) {
	s := server(t, nil)
	repo := repository(t, s, nil)
	broken := errors.New("disk on fire")
	desc := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromString("content"), Size: 7}
	for _, tc := range []struct {
		name string
		r    io.Reader
		want error
	}{
		{"reader that fails", io.MultiReader(strings.NewReader("con"), iotest.ErrReader(broken)), broken},
		{"too little", strings.NewReader("con"), registry.ErrDigestMismatch},
		{"too much", strings.NewReader("CONTENT and more"), registry.ErrDigestMismatch},
		{"other content", strings.NewReader("CONTENT"), registry.ErrDigestMismatch},
		{"nothing", nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := repo.Push(t.Context(), desc, tc.r)
			if err == nil || (tc.want != nil && !errors.Is(err, tc.want)) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
			if errors.Is(err, registry.ErrUnavailable) {
				t.Errorf("%v blames the registry", err)
			}
		})
	}
	if ok, err := repo.Exists(t.Context(), desc); ok || err != nil {
		t.Errorf("after all that it exists: %v, %v", ok, err)
	}
	r := bytes.NewReader([]byte("content"))
	if err := repo.Push(t.Context(), desc, r); err != nil {
		t.Fatal(err)
	}
}

func TestManifestOfAnotherSize(t *testing.T) {
	s := server(t, nil)
	repo := repository(t, s, nil)
	manifest, _ := artifact(t, repo, "1", "content")
	manifest.Size++
	rc, err := repo.Fetch(t.Context(), manifest)
	if err == nil {
		_, err = io.ReadAll(rc)
		rc.Close()
	}
	if !errors.Is(err, registry.ErrDigestMismatch) {
		t.Errorf("error = %v", err)
	}
}
