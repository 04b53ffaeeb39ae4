package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// TestTagsAfterOneThatIsGone: a last is no tag any more, and the list begins
// where it was.
func TestTagsAfterOneThatIsGone(t *testing.T) {
	for name, lists := range map[string]registrytest.ListOptions{"spec": {}, "last must exist": {LastMustExist: true}} {
		t.Run(name, func(t *testing.T) {
			s := server(t, &registrytest.Options{Lists: lists})
			repo := repository(t, s, nil)
			manifest, _ := artifact(t, repo, "1", "content")
			for _, tag := range []string{"3", "5"} {
				if err := repo.Tag(t.Context(), manifest, tag); err != nil {
					t.Fatal(err)
				}
			}
			for last, want := range map[string][]string{"0": {"1", "3", "5"}, "1": {"3", "5"}, "2": {"3", "5"}, "4": {"5"}, "6": nil} {
				var got []string
				err := repo.Tags(t.Context(), last, func(tags []string) error {
					got = append(got, tags...)
					return nil
				})
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("after %s: %q, %v; want %q", last, got, err, want)
				}
			}
			none, err := registry.NewClient(nil)
			if err != nil {
				t.Fatal(err)
			}
			other, err := none.Repository(registry.Reference{Host: s.Host, Repository: "team/none"})
			if err != nil {
				t.Fatal(err)
			}
			if err := other.Tags(t.Context(), "1", func([]string) error { return nil }); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("of no repository: %v", err)
			}
		})
	}
}

// TestListsOfEveryKind: whatever a registry's pages are like, its lists come
// whole, or end in an error that says why they do not.
func TestListsOfEveryKind(t *testing.T) {
	for name, tc := range map[string]struct {
		lists    registrytest.ListOptions
		pageSize int
		fails    bool
	}{
		"path":             {pageSize: 2},
		"absolute":         {registrytest.ListOptions{Link: registrytest.LinkAbsolute}, 2, false},
		"relative":         {registrytest.ListOptions{Link: registrytest.LinkRelative}, 2, false},
		"opaque":           {registrytest.ListOptions{Link: registrytest.LinkOpaque}, 2, false},
		"no Link, no need": {registrytest.ListOptions{Link: registrytest.LinkNone}, 0, false},
		"no paging":        {registrytest.ListOptions{NoPaging: true}, 2, false},
		"empty last page":  {registrytest.ListOptions{EmptyLastPage: true}, 2, false},
		"null last page":   {registrytest.ListOptions{EmptyLastPage: true, Null: true}, 3, false},
		"unsorted":         {registrytest.ListOptions{Unsorted: true}, 2, false},
		"last must exist":  {registrytest.ListOptions{LastMustExist: true}, 2, false},
		"at most 30, 400":  {registrytest.ListOptions{MaxN: 30}, 2, false},
		"at most 4, 413":   {registrytest.ListOptions{MaxN: 4, MaxNStatus: 413}, 0, false},
		"foreign":          {registrytest.ListOptions{Link: registrytest.LinkForeign}, 2, true},
		"endless":          {registrytest.ListOptions{Link: registrytest.LinkEndless}, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, &registrytest.Options{PageSize: tc.pageSize, Lists: tc.lists})
			client, err := registry.NewClient(nil)
			if err != nil {
				t.Fatal(err)
			}
			var tags, repositories []string
			for i := range 7 {
				repo, err := client.Repository(registry.Reference{Host: s.Host, Repository: fmt.Sprintf("team/app-%d", i)})
				if err != nil {
					t.Fatal(err)
				}
				artifact(t, repo, "1", "content")
				repositories = append(repositories, repo.Reference().Repository)
			}
			repo, err := client.Repository(registry.Reference{Host: s.Host, Repository: repositories[0]})
			if err != nil {
				t.Fatal(err)
			}
			manifest, _ := artifact(t, repo, "1", "content")
			for i := range 7 {
				tags = append(tags, fmt.Sprint(i))
				if err := repo.Tag(t.Context(), manifest, tags[i]); err != nil {
					t.Fatal(err)
				}
			}
			for what, list := range map[string]struct {
				want []string
				list func(yield func(string, error) bool)
			}{"tags": {tags, registry.Tags(t.Context(), repo)}, "repositories": {repositories, client.Repositories(t.Context(), s.Host)}} {
				var got []string
				var failed error
				for name, err := range list.list {
					if err != nil {
						failed = err
						break
					}
					got = append(got, name)
				}
				slices.Sort(got)
				_, paged := errors.AsType[*registry.PageError](failed)
				if !tc.fails && (failed != nil || !slices.Equal(got, list.want)) || tc.fails && !paged {
					t.Errorf("%s: %q, %v, want %q", what, got, failed, list.want)
				}
			}
			if s.Storage != nil && len(s.Storage.Requests()) > 0 {
				t.Errorf("the other host was asked for %v", s.Storage.Requests())
			}
		})
	}
}

// TestDeletesOfEveryKind: what a registry does not delete is unsupported, and
// stays.
func TestDeletesOfEveryKind(t *testing.T) {
	for name, tc := range map[string]struct {
		deletes       registrytest.DeleteOptions
		delete, untag error
	}{
		"all":     {},
		"none":    {registrytest.DeleteOptions{None: true}, registry.ErrUnsupported, registry.ErrUnsupported},
		"no tags": {registrytest.DeleteOptions{NoTags: true}, nil, registry.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, &registrytest.Options{Deletes: tc.deletes})
			client, err := registry.NewClient(nil)
			if err != nil {
				t.Fatal(err)
			}
			repo, err := client.Repository(registry.Reference{Host: s.Host, Repository: "team/app"})
			if err != nil {
				t.Fatal(err)
			}
			manifest, _ := artifact(t, repo, "1", "content")
			if err := repo.Untag(t.Context(), "1"); !errors.Is(err, tc.untag) {
				t.Errorf("untag: %v, want %v", err, tc.untag)
			}
			if _, err := repo.Resolve(t.Context(), "1"); (err == nil) != (tc.untag != nil) {
				t.Errorf("the tag after that: %v", err)
			}
			if _, err := repo.Resolve(t.Context(), manifest.Digest.String()); err != nil {
				t.Errorf("the manifest after its tag: %v", err)
			}
			if err := repo.Delete(t.Context(), manifest); !errors.Is(err, tc.delete) {
				t.Errorf("delete: %v, want %v", err, tc.delete)
			}
			got := capabilities(t, client, repo.Reference())
			want := func(err error) registry.Support {
				if err != nil {
					return registry.Unsupported
				}
				return registry.Supported
			}
			if got.Delete.Value != want(tc.delete) || got.Untag.Value != want(tc.untag) {
				t.Errorf("learned delete %s, untag %s", got.Delete.Value, got.Untag.Value)
			}
		})
	}
}

// TestListsOfAMovedHost: what lists say in the names of the place is followed
// in the names that were asked for.
func TestListsOfAMovedHost(t *testing.T) {
	const asked = "registry.invalid:5000"
	for name, form := range map[string]registrytest.Link{"path": registrytest.LinkPath, "absolute": registrytest.LinkAbsolute, "relative": registrytest.LinkRelative} {
		t.Run(name, func(t *testing.T) {
			s := server(t, &registrytest.Options{PageSize: 1, Lists: registrytest.ListOptions{Link: form}})
			direct, err := registry.NewClient(nil)
			if err != nil {
				t.Fatal(err)
			}
			there, err := direct.Repository(registry.Reference{Host: s.Host, Repository: "hub/team/app"})
			if err != nil {
				t.Fatal(err)
			}
			manifest, _ := artifact(t, there, "1", "content")
			if err := there.Tag(t.Context(), manifest, "2"); err != nil {
				t.Fatal(err)
			}
			client, err := registry.NewClient(&registry.Options{Hosts: func(host string) (registry.HostConfig, error) {
				if host == asked {
					return registry.HostConfig{Rewrites: []registry.Rewrite{{Location: s.Host + "/hub"}}}, nil
				}
				return registry.HostConfig{}, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			repo, err := client.Repository(registry.Reference{Host: asked, Repository: "team/app"})
			if err != nil {
				t.Fatal(err)
			}
			var tags []string
			for tag, err := range registry.Tags(t.Context(), repo) {
				if err != nil {
					t.Fatal(err)
				}
				tags = append(tags, tag)
			}
			if !slices.Equal(tags, []string{"1", "2"}) {
				t.Errorf("tags %q", tags)
			}
			got := capabilities(t, client, repo.Reference())
			if got.Host != asked || got.TagPaging.Value != registry.Supported || got.Referrers.Value != registry.Supported || got.API.Source != registry.SourceProbe {
				t.Errorf("capabilities %v", got)
			}
			if err := repo.Untag(t.Context(), "2"); err != nil {
				t.Error(err)
			}
			if err := repo.Delete(t.Context(), manifest); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestImmutableTagsAreLearned: however a registry says that a tag may not move.
func TestImmutableTagsAreLearned(t *testing.T) {
	for name, tc := range map[string]struct {
		immutable registrytest.Immutable
		want      registry.Support
	}{
		"mutable": {registrytest.Mutable, registry.Unknown}, "Harbor": {registrytest.ImmutableHarbor, registry.Supported},
		"ECR": {registrytest.ImmutableECR, registry.Supported}, "Docker Hub": {registrytest.ImmutableHub, registry.Supported},
		"conflict": {registrytest.ImmutableConflict, registry.Supported},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, &registrytest.Options{Manifests: registrytest.ManifestOptions{Immutable: tc.immutable}})
			client, err := registry.NewClient(nil)
			if err != nil {
				t.Fatal(err)
			}
			repo, err := client.Repository(registry.Reference{Host: s.Host, Repository: "team/app"})
			if err != nil {
				t.Fatal(err)
			}
			artifact(t, repo, "1", "content")
			other, _ := artifact(t, repo, "2", "other content")
			content, err := repo.Fetch(t.Context(), other)
			if err != nil {
				t.Fatal(err)
			}
			defer content.Close()
			err = repo.PushReference(t.Context(), other, content, "1")
			if moved := tc.immutable == registrytest.Mutable; moved != (err == nil) {
				t.Errorf("moved: %v", err)
			}
			if got := capabilities(t, client, registry.Reference{Host: s.Host}); got.ImmutableTags.Value != tc.want {
				t.Errorf("learned %+v, want %s", got.ImmutableTags, tc.want)
			}
		})
	}
}
