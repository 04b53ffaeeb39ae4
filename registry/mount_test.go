package registry_test

import (
	"errors"
	"io"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// One token serves the mount and what follows it, in the target and in the source.
func Test43Mount(t *testing.T) {
	ctx := t.Context()
	for name, tc := range map[string]struct {
		options registrytest.Options
		tokens  int
		want    bool
	}{
		"open":     {registrytest.Options{}, 0, true},
		"bearer":   {registrytest.Options{Auth: registrytest.Bearer, Users: map[string]string{"me": "canary"}}, 1, true},
		"no mount": {registrytest.Options{NoMount: true}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, &tc.options)
			options := &registry.Options{Credentials: auth.Static(auth.Resource{Host: s.Host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")})}
			from := repository(t, s, options)
			_, layer := artifact(t, from, "1", "content")
			client, err := registry.NewClient(impatient(options))
			if err != nil {
				t.Fatal(err)
			}
			repo, err := client.Repository(registry.Reference{Host: s.Host, Repository: "copies/app"})
			if err != nil {
				t.Fatal(err)
			}
			repo = repo.WithActions(registry.ActionPull, registry.ActionPush).WithSource(from.Reference())
			s.Reset()
			mounted, err := repo.Mount(ctx, layer, from.Reference())
			if err != nil || mounted != tc.want {
				t.Errorf("mounted %v, %v, want %v", mounted, err, tc.want)
			}
			if c := s.Cost(); c.Methods() != "POST" || c.Tokens != tc.tokens || c.Received != 0 {
				t.Errorf("cost %s, want one POST and %d tokens", c, tc.tokens)
			}
			if there, err := repo.Exists(ctx, layer); err != nil || there != tc.want {
				t.Errorf("there %v, %v, want %v", there, err, tc.want)
			}
			absent := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromString("absent"), Size: 6}
			if mounted, err := repo.Mount(ctx, absent, from.Reference()); err != nil || mounted {
				t.Errorf("a blob that is not there: mounted %v, %v", mounted, err)
			}
			if tc.want {
				rc, err := repo.Fetch(ctx, layer)
				if err != nil {
					t.Fatal(err)
				}
				defer rc.Close()
				if content, err := io.ReadAll(rc); err != nil || string(content) != "content" {
					t.Errorf("mounted content %q, %v", content, err)
				}
			}
			if c := s.Cost(); c.Tokens != tc.tokens {
				t.Errorf("%d tokens, want one for all", c.Tokens)
			}
		})
	}
}

func TestMountErrors(t *testing.T) {
	s := server(t, nil)
	repo := repository(t, s, nil)
	_, layer := artifact(t, repo, "1", "content")
	from := registry.Reference{Host: s.Host, Repository: "team/other"}
	for name, tc := range map[string]struct {
		from   registry.Reference
		faults *registrytest.Faults
		want   error // nil: not mounted, and no error
	}{
		"another registry":   {registry.Reference{Host: "example.com", Repository: "a/b"}, nil, registry.ErrInvalidReference},
		"quirk of ociserver": {from, &registrytest.Faults{Status: 404, Code: "BLOB_UNKNOWN"}, nil},
		"method unknown":     {from, &registrytest.Faults{Status: 405, Code: "UNSUPPORTED"}, nil},
		"denied":             {from, &registrytest.Faults{Status: 403, Code: "DENIED"}, nil},
		"rate limited":       {from, &registrytest.Faults{Status: 429}, registry.ErrRateLimited},
		"down":               {from, &registrytest.Faults{Status: 503}, registry.ErrUnavailable},
		"cut":                {from, &registrytest.Faults{Cut: true}, registry.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s.SetFaults(tc.faults)
			mounted, err := repo.Mount(t.Context(), layer, tc.from)
			if mounted || tc.want == nil && err != nil || !errors.Is(err, tc.want) {
				t.Errorf("mounted %v, error %v, want %v", mounted, err, tc.want)
			}
		})
	}
}
