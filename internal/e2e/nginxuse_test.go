package e2e_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

// nginxUser knows the authority of an nginx, as docker's files have it, and is
// logged in there.
func nginxUser(t *testing.T, s *nginxServer, ca *authority) *user {
	t.Helper()
	u := newUser(t)
	writeFile(t, u.path("docker", "certs.d", s.host, "ca.crt"), readFile(t, ca.file))
	u.start(password, mustPortolan(t), "login", s.host, "-u", userName, "--password-stdin").ok(t)
	return u
}

// nginxVersions are the versions of a repository.
func nginxVersions(t *testing.T, u *user, repository string) (list []string) {
	t.Helper()
	var all []struct{ Version string }
	out := u.portolan("versions", repository, "-o", "json").ok(t)
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, v := range all {
		list = append(list, v.Version)
	}
	return list
}

// TestNginxMovesPaths works with a registry whose paths are others inside than
// outside, behind a certificate of a private authority.
func TestNginxMovesPaths(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts            nginxOptions
		outside, inside string // before the names of repositories
	}{
		"longer outside": {nginxOptions{Outside: "/v2/hub/", Inside: "/v2/"}, "hub/", ""},
		"longer inside":  {nginxOptions{Outside: "/v2/", Inside: "/v2/hub/"}, "", "hub/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := newAuthority(t)
			reg := startRegistry(t, registryOptions{htpasswd: true})
			s := startNginx(t, reg, ca, tc.opts)
			u := nginxUser(t, s, ca)
			at := s.host + "/" + tc.outside

			c := bigChart(t, "cargo", 3<<20)
			pushed := u.json("push", c.path, at+"team/cargo")
			want := []string{"1.0.0", "0.4.0", "0.3.0", "0.2.0", "0.1.0"}
			for _, version := range want[1:] {
				u.json("push", smallChart(t, "cargo", version).path, at+"team/cargo")
			}
			if reg.manifest(t, tc.inside+"team/cargo", "1.0.0") == nil {
				t.Error("it is not there inside")
			}
			u.pulls(at+"team/cargo:1.0.0", c)
			if got := nginxVersions(t, u, at+"team/cargo"); !slices.Equal(got, want) {
				t.Errorf("versions %q, want %q", got, want)
			}
			if pages := strings.Count(string(readFile(t, s.log)), "200 GET "+tc.opts.Outside+"team/cargo/tags/list"); pages < 3 {
				t.Errorf("the versions came in %d pages, want 3 of two", pages)
			}
			if again := u.json("push", c.path, at+"team/cargo"); !again.Exists {
				t.Errorf("again: %+v", again)
			}
			for _, to := range []string{at + "copied/", startRegistry(t, registryOptions{}).ref("copied/")} {
				if got := u.copy(at+"team/cargo:1.0.0", to); got.Digest != pushed.Digest {
					t.Errorf("copied as %+v", got)
				}
				u.pulls(to+"cargo:1.0.0", c)
			}
			nginxElsewhere(t, u, at, pushed.Digest, c)
			newUser(t).portolan("pull", at+"team/cargo:1.0.0", "--plain-http=false").fails(t, exitUnreachable, "certificate")
		})
	}
}

// nginxElsewhere has other names lead to the registry behind nginx: a rewrite,
// and a mirror, each with the prefix in it.
func nginxElsewhere(t *testing.T, u *user, at, digest string, c chartFile) {
	t.Helper()
	conf := hostsWrite(t, fmt.Sprintf("[[registry]]\nprefix = 'charts.example/fleet'\nlocation = %q\n", at+"team"), t.TempDir(), "registries.conf")
	small := smallChart(t, "dinghy", "1.0.0")
	u.json("push", small.path, "charts.example/fleet/dinghy:1.0.0", "--registries-conf", conf)
	u.pulls(at+"team/dinghy:1.0.0", small)
	got := u.json("pull", "charts.example/fleet/cargo:1.0.0", "--registries-conf", conf, "-d", u.dir("fleet"), "--cache", u.dir("cold"))
	if !bytes.Equal(readFile(t, got.Path), c.data) {
		t.Error("other bytes came by another name")
	}
	got = u.json("pull", hostsDead+"/team/cargo@"+digest, "--mirror", strings.TrimSuffix(at, "/"), "-d", u.dir("mirrored"), "--cache", u.dir("colder"))
	if !bytes.Equal(readFile(t, got.Path), c.data) {
		t.Error("other bytes came from the mirror")
	}
}

// TestNginxLimitsRate sends far more requests at once than nginx lets through:
// it is waited for as it says, and everybody gets everything in time.
func TestNginxLimitsRate(t *testing.T) {
	t.Parallel()
	const pulls, processes = 40, 4
	ca := newAuthority(t)
	reg := startRegistry(t, registryOptions{htpasswd: true})
	s := startNginx(t, reg, ca, nginxOptions{Outside: "/v2/hub/", Inside: "/v2/", Rate: 12, Burst: 30})
	u := nginxUser(t, s, ca)
	c := smallChart(t, "harbour", "1.0.0")
	u.json("push", c.path, s.host+"/hub/team/harbour")

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client, err := registry.NewClient(&registry.Options{
		Credentials: auth.Static(auth.Resource{Host: s.host}, auth.Credential{Username: userName, Password: auth.NewSecret(password)}),
		Hosts: func(string) (registry.HostConfig, error) {
			return registry.HostConfig{TLS: &registry.TLS{Roots: []*x509.Certificate{ca.cert}}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: s.host, Repository: "hub/team/harbour"})
	if err != nil {
		t.Fatal(err)
	}
	layer := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(c.data), Size: int64(len(c.data))}
	var all sync.WaitGroup
	for i := range pulls {
		all.Go(func() {
			if err := nginxPull(ctx, repo, layer); err != nil {
				t.Errorf("pull %d: %v", i, err)
			}
		})
	}
	for i := range processes {
		all.Go(func() {
			r := u.portolan("pull", s.host+"/hub/team/harbour:1.0.0", "-d", u.path("got", fmt.Sprint(i)), "--cache", u.path("caches", fmt.Sprint(i)), "--timeout", "30s")
			if r.code != 0 {
				t.Errorf("process %d: %d %s", i, r.code, r.stderr)
			}
		})
	}
	all.Wait()
	for i := range processes {
		if !bytes.Equal(readFile(t, u.path("got", fmt.Sprint(i), filepath.Base(c.path))), c.data) {
			t.Errorf("process %d: other bytes came", i)
		}
	}
	if got := nginxVersions(t, u, s.host+"/hub/team/harbour"); !slices.Equal(got, []string{"1.0.0"}) {
		t.Errorf("versions %q", got)
	}
	refused, served := s.count(t, 429), s.count(t, 200)
	t.Logf("nginx has refused %d requests and answered %d with 200", refused, served)
	if refused == 0 {
		t.Error("nobody was too fast, so this test has not seen what it is about")
	}
}

func nginxPull(ctx context.Context, repo *registry.Repository, layer ocispec.Descriptor) error {
	_, manifest, err := repo.FetchReference(ctx, "1.0.0")
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, manifest)
	if err := errors.Join(err, manifest.Close()); err != nil {
		return err
	}
	body, err := repo.Fetch(ctx, layer)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(body) // which is held against its digest
	if err == nil && int64(len(data)) != layer.Size {
		err = fmt.Errorf("%d bytes", len(data))
	}
	return errors.Join(err, body.Close())
}
