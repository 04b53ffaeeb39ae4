package auth

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Test64Login shows that a login to a part of a host leaves the host's own
// entry as it is, in both directions, and that the file of docker, which knows
// hosts alone, takes none.
func Test64Login(t *testing.T) {
	w := newWorld(t)
	w.user, w.password = "bob", canary
	f := fileStore(t, auths(w.host(), "host:1", w.host()+"/team/app2", "near:1"), plaintext)
	team := w.resource("team/app")
	if _, err := Login(t.Context(), f, team, password("bob", canary), loginOptions()); err != nil {
		t.Fatal(err)
	}
	if got := w.asked[0].Get("scope"); got != "repository:team/app:pull" {
		t.Errorf("the token was for %q", got)
	}
	users := func() map[string]string {
		got := map[string]string{}
		for _, path := range []string{"", "team", "team/app", "team/app/x", "team/app2"} {
			c, _ := f.Credential(t.Context(), w.resource(path))
			got[path] = c.Username
		}
		return got
	}
	if diff := cmp.Diff(map[string]string{"": "host", "team": "host", "team/app": "bob", "team/app/x": "bob", "team/app2": "near"}, users()); diff != "" {
		t.Error(diff)
	}
	if _, err := Logout(t.Context(), team, f); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"": "host", "team": "host", "team/app": "host", "team/app/x": "host", "team/app2": "near"}, users()); diff != "" {
		t.Error(diff)
	}
	content := auths(w.host(), "host:1")
	docker, err := NewDockerStore(writeFile(t, filepath.Join(t.TempDir(), "config.json"), content), plaintext)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Login(t.Context(), docker, team, password("bob", canary), loginOptions()); err == nil || !strings.Contains(err.Error(), "log in to "+w.host()) {
		t.Errorf("docker's file: %v", err)
	}
	if read(t, docker.Path()) != content {
		t.Error("docker's file was changed")
	}
}

// loginContainers is podman's file with these entries.
func loginContainers(t *testing.T, pairs ...string) *FileStore {
	t.Helper()
	f, err := NewContainersStore(writeFile(t, filepath.Join(t.TempDir(), "auth.json"), auths(pairs...)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLoginWarnsOfShadows(t *testing.T) {
	w := newWorld(t)
	w.user, w.password = "bob", canary
	r := w.resource("")
	store := fileStore(t, "", plaintext)
	link := filepath.Join(t.TempDir(), "link.json")
	if err := os.Symlink(store.Path(), link); err != nil {
		t.Fatal(err)
	}
	same, err := NewHelmStore(link, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := Static(r, password("eve", "1"))
	part := loginContainers(t, w.host()+"/team", "dan:1", "other.example.com/team", "dan:1", w.host()+"x/team", "dan:1")
	part2 := NewMemoryStore()
	if _, err := part2.Put(t.Context(), w.resource("team"), password("dan", "1")); err != nil {
		t.Fatal(err)
	}
	broken := fileStore(t, auths(w.host()+"/broken", "no colon"), nil)
	cachedPart, err := Cached(part2, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		sources Provider
		want    []string
	}{
		{name: "not looked at"},
		{name: "the store itself", sources: store},
		{name: "the store by another name", sources: same},
		{name: "a part that cannot be used", sources: Chain(store, broken)},
		{name: "something after it", sources: Chain(store, other)},
		{name: "something before it", sources: Chain(other, store), want: []string{"static (" + w.host() + ") answers for"}},
		{name: "the same before it", sources: Chain(Static(r, password("bob", canary)), store)},
		{name: "a part of the host", sources: Chain(store, part), want: []string{"containers config " + part.Path() + " (" + w.host() + "/team) has a credential of its own"}},
		{name: "a part of the host, kept", sources: Chain(store, cachedPart), want: []string{"memory (" + w.host() + "/team) has"}},
		{name: "nothing reads the store", sources: part, want: []string{"nothing that is asked for credentials reads", "/team) has a credential of its own"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			opts := loginOptions()
			opts.Sources = tc.sources
			got, err := Login(t.Context(), store, r, password("bob", canary), opts)
			if err != nil || len(got.Warnings) != len(tc.want) {
				t.Fatalf("warnings %q, want %q, %v", got.Warnings, tc.want, err)
			}
			for i, want := range tc.want {
				if !strings.Contains(got.Warnings[i], want) {
					t.Errorf("warning %q, want %q", got.Warnings[i], want)
				}
			}
		})
	}
}

// Test66Logout shows that a logout takes away every spelling of a host and
// names each source that would still answer, of whatever kind, and no other.
func Test66Logout(t *testing.T) {
	r := Resource{Host: "registry.example.com"}
	t.Run("spellings", func(t *testing.T) {
		for _, host := range []string{"registry.example.com", "docker.io", "index.docker.io", "registry-1.docker.io", "[2001:db8::1]:5000"} {
			asked := Resource{Host: host}
			var pairs []string
			for _, key := range append(hostSpellings(asked), strings.ToUpper(host)) {
				pairs = append(pairs, key, "bob:1")
			}
			if asked.isHub() {
				pairs = append(pairs, hubKey+"access-token", "bob:1", hubKey+"refresh-token", "bob:1")
			}
			f := fileStore(t, auths(append(pairs, "neighbour.example.com", "eve:1")...), plaintext)
			got, err := Logout(t.Context(), asked, f)
			if err != nil || len(got.Removed) != len(pairs)/2 || len(got.Remaining) > 0 {
				t.Errorf("%s: removed %d of %d, remaining %v, %v", host, len(got.Removed), len(pairs)/2, got.Remaining, err)
			}
			if text := read(t, f.Path()); strings.Contains(text, b64("bob:1")) || !strings.Contains(text, b64("eve:1")) {
				t.Errorf("%s: left %s", host, text)
			}
		}
	})
	t.Run("remaining", func(t *testing.T) {
		installHelper(t, "logout", `echo '{"ServerURL":"registry.example.com","Username":"eve","Secret":"1"}'`)
		helped := fileStore(t, `{"credsStore":"logout"}`, nil)
		filed, memory := fileStore(t, auths(r.Host, "dan:1"), nil), NewMemoryStore()
		if _, err := memory.Put(t.Context(), r, Credential{IdentityToken: NewSecret("1")}); err != nil {
			t.Fatal(err)
		}
		part := loginContainers(t, r.Host+"/team", "dan:1", "other.example.com", "dan:1")
		silent := ProviderFunc(func(context.Context, Resource) (Credential, error) { return Credential{}, nil })
		fails := ProviderFunc(func(context.Context, Resource) (Credential, error) { return Credential{}, errors.New("no") })
		store := fileStore(t, auths(r.Host, "bob:1"), plaintext)
		got, err := Logout(t.Context(), r, store, nil, Chain(store, filed, helped), memory, Static(r, password("env", "1")), part, silent, fails)
		want := []Origin{
			{"helm config", filed.Path(), r.Host}, {"docker credential helper", "docker-credential-logout", r.Host},
			{"memory", "", r.Host}, {"static", "", r.Host}, {"containers config", part.Path(), r.Host + "/team"},
		}
		if err != nil || len(got.Removed) != 1 {
			t.Errorf("removed %v, %v", got.Removed, err)
		}
		if diff := cmp.Diff(want, got.Remaining); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a part", func(t *testing.T) {
		f := fileStore(t, auths(r.Host, "bob:1", r.Host+"/team", "dan:1"), plaintext)
		got, err := Logout(t.Context(), Resource{r.Host, "team"}, f)
		if err != nil || len(got.Removed) != 1 || len(got.Remaining) != 1 || got.Remaining[0].Key != r.Host {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("no helper runs", func(t *testing.T) {
		dir := installHelper(t, "logout", keeper)
		f := fileStore(t, `{"credsStore":"logout","auths":{"registry.example.com":{"auth":"`+b64("bob:1")+`"}}}`, &FileOptions{NoExec: true})
		got, err := Logout(t.Context(), r, f)
		if !errors.Is(err, ErrHelper) || len(got.Removed) != 1 || len(got.Remaining) > 0 {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "log")); err == nil {
			t.Error("the helper was run")
		}
	})
	t.Run("variable", func(t *testing.T) {
		t.Setenv("DOCKER_AUTH_CONFIG", auths(r.Host, "dan:1"))
		got, err := Logout(t.Context(), r, NewMemoryStore(), FromDockerAuthConfig())
		if err != nil || len(got.Remaining) != 1 || got.Remaining[0].Location != "DOCKER_AUTH_CONFIG" && got.Remaining[0].Kind != "DOCKER_AUTH_CONFIG" {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got, err := Logout(ctx, r, NewMemoryStore()); !errors.Is(err, context.Canceled) || got == nil {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// Spellings of a host that people give to login, and what argo-cd#11324 and
// helm#30873 were about.
func TestLoginHostSpellings(t *testing.T) {
	for spelled, want := range map[string]string{
		"https://registry.example.com/": "registry.example.com", "oci://registry.example.com": "registry.example.com", "oci://registry.example.com/team/app": "registry.example.com/team/app",
		"Registry.Example.COM:5000": "registry.example.com:5000", "docker.io": hubKey, "index.docker.io/v1/": hubKey, "https://index.docker.io/v1/": hubKey, "registry-1.docker.io": hubKey,
	} {
		f := fileStore(t, "", plaintext)
		opts := &LoginOptions{Transport: loginOpen{}}
		if got, err := Login(t.Context(), f, mustParse(t, spelled), password("bob", canary), opts); err != nil || got.Origin.Key != want {
			t.Errorf("%s: %+v, %v; want the key %s", spelled, got, err, want)
		}
	}
}

// loginOpen answers for every host.
type loginOpen struct{}

func (loginOpen) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	rec.WriteHeader(http.StatusOK)
	resp := rec.Result()
	resp.Request = req
	return resp, nil
}
