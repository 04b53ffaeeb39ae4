package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func TestRepositories(t *testing.T) {
	const first = "/v2/_catalog?n=100"
	hundred := make([]string, 100)
	for i := range hundred {
		hundred[i] = fmt.Sprintf("team/app-%03d", i)
	}
	full, err := json.Marshal(hundred)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		pages map[string]listsPage
		want  []string
		asked []string
		fails error
	}{
		{name: "none", pages: map[string]listsPage{"*": {entries: `null`}}, asked: []string{first}},
		{name: "names", pages: map[string]listsPage{"*": {entries: `["team/app","a"]`}}, want: []string{"team/app", "a"}, asked: []string{first}},
		{name: "names that are none", pages: map[string]listsPage{"*": {entries: `["Team/app","a:1","../b","","c@sha256","d"]`}}, want: []string{"d"}, asked: []string{first}},
		{name: "Link", pages: map[string]listsPage{first: {entries: `["a"]`, link: `<_catalog?last=a&n=1>; rel="next"`}, "/v2/_catalog?last=a&n=1": {entries: `[]`}},
			want: []string{"a"}, asked: []string{first, "/v2/_catalog?last=a&n=1"}},
		{name: "fewer", pages: map[string]listsPage{first: {status: 400, entries: `{"errors":[{"code":"PAGINATION_NUMBER_INVALID"}]}`}, "/v2/_catalog?n=50": {entries: `["a"]`}},
			want: []string{"a"}, asked: []string{first, "/v2/_catalog?n=50"}},
		{name: "full page without Link", pages: map[string]listsPage{first: {entries: string(full)}, "*": {entries: `[]`}},
			want: hundred, asked: []string{first, "/v2/_catalog?last=team%2Fapp-099&n=100"}},
		{name: "404", pages: map[string]listsPage{"*": {status: 404}}, fails: registry.ErrUnsupported},
		{name: "405", pages: map[string]listsPage{"*": {status: 405}}, fails: registry.ErrUnsupported},
		{name: "501", pages: map[string]listsPage{"*": {status: 501}}, fails: registry.ErrUnsupported},
		{name: "403", pages: map[string]listsPage{"*": {status: 403}}, fails: registry.ErrDenied},
		{name: "401", pages: map[string]listsPage{"*": {status: 401}}, fails: registry.ErrUnauthorized},
		{name: "429", pages: map[string]listsPage{"*": {status: 429}}, fails: registry.ErrRateLimited},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newListsServer(t, "repositories", tc.pages)
			client, err := registry.NewClient(&registry.Options{Retry: registry.Retry{Attempts: 1}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			var failed error
			for name, err := range client.Repositories(t.Context(), s.host()) {
				if err != nil {
					failed = err
					continue
				}
				got = append(got, name)
			}
			if !slices.Equal(got, tc.want) || !errors.Is(failed, tc.fails) {
				t.Errorf("%q, %v, want %q, %v", got, failed, tc.want, tc.fails)
			}
			if tc.fails != nil && tc.fails != registry.ErrUnsupported && errors.Is(failed, registry.ErrUnsupported) {
				t.Errorf("%v is no news of what the registry can do", failed)
			}
			if tc.asked != nil && !slices.Equal(s.asked, tc.asked) {
				t.Errorf("asked for %q, want %q", s.asked, tc.asked)
			}
		})
	}
	client, err := registry.NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"", "ghcr", "ghcr.io/team", "https://ghcr.io"} {
		for _, err := range client.Repositories(t.Context(), host) {
			if !errors.Is(err, registry.ErrInvalidReference) {
				t.Errorf("host %q: %v", host, err)
			}
		}
	}
}

// Test44CatalogScope: the token of a catalog is none of
// a repository's.
func Test44CatalogScope(t *testing.T) {
	s := server(t, &registrytest.Options{Auth: registrytest.Bearer, Users: map[string]string{"me": "canary"}})
	client, err := registry.NewClient(&registry.Options{
		Credentials: auth.Static(auth.Resource{Host: s.Host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for range client.Repositories(t.Context(), s.Host) { // what it answers is not asked here
	}
	scopes := 0
	for _, req := range s.Requests() {
		if strings.Contains(req.Query, "scope=registry%3Acatalog%3A%2A") {
			scopes++
		}
		if strings.Contains(req.Query, "scope=repository") {
			t.Errorf("asked for %s", req.Query)
		}
	}
	if scopes != 1 {
		t.Errorf("%d token requests with the scope of the catalog: %+v", scopes, s.Requests())
	}
}
