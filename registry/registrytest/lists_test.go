package registrytest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/registry/registrytest"
)

// quirksTags pushes an index without content under each tag.
func quirksTags(t *testing.T, s *registrytest.Server, repository string, tags ...string) {
	t.Helper()
	for _, tag := range tags {
		resp, text, err := quirksDo(t, "PUT", s.URL+"/v2/"+repository+"/manifests/"+tag, quirksIndexType, quirksIndex(tag))
		if err != nil || resp.StatusCode != http.StatusCreated {
			t.Fatalf("tag %s: %v %v %s", tag, resp, err, text)
		}
	}
}

var quirksIndexType = http.Header{"Content-Type": {"application/vnd.oci.image.index.v1+json"}}

func quirksIndex(note string) string {
	return `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{"note":"` + note + `"}}`
}

// quirksList walks a list as the spec says and returns its pages.
func quirksList(t *testing.T, start, key string) (pages []string) {
	t.Helper()
	for next := start; next != ""; {
		resp, text, err := quirksDo(t, "GET", next, nil, "")
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %v %v %s", next, resp, err, text)
		}
		var list map[string]any
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			t.Fatal(err)
		}
		page, null := "", list[key] == nil
		if items, ok := list[key].([]any); ok {
			for _, item := range items {
				page += " " + item.(string)
			}
		}
		if null {
			page = "null"
		}
		pages = append(pages, strings.TrimSpace(page))
		next = quirksNextPage(t, resp)
		if len(pages) > 5 {
			return append(pages, "…")
		}
	}
	return pages
}

func quirksNextPage(t *testing.T, resp *http.Response) string {
	t.Helper()
	link := resp.Header.Get("Link")
	if link == "" {
		return ""
	}
	target, rel, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	u, err := url.Parse(target)
	if err != nil || !ok || !strings.Contains(rel, `rel="next"`) {
		t.Fatalf("Link %q: %v", link, err)
	}
	return resp.Request.URL.ResolveReference(u).String()
}

func TestTagLists(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options registrytest.Options
		query   string
		want    []string
	}{
		{"all at once", registrytest.Options{}, "", []string{"a b c d"}},
		{"pages", registrytest.Options{PageSize: 3}, "", []string{"a b c", "d"}},
		{"n", registrytest.Options{}, "?n=2", []string{"a b", "c d"}},
		{"n above the page", registrytest.Options{PageSize: 3}, "?n=100", []string{"a b c", "d"}},
		{"n of nothing", registrytest.Options{}, "?n=0", []string{""}},
		{"last", registrytest.Options{}, "?last=b", []string{"c d"}},
		{"last that is none", registrytest.Options{}, "?last=bb", []string{"c d"}},
		{"absolute", registrytest.Options{PageSize: 3, Lists: registrytest.ListOptions{Link: registrytest.LinkAbsolute}}, "", []string{"a b c", "d"}},
		{"relative", registrytest.Options{PageSize: 3, Lists: registrytest.ListOptions{Link: registrytest.LinkRelative}}, "", []string{"a b c", "d"}},
		{"opaque", registrytest.Options{PageSize: 2, Lists: registrytest.ListOptions{Link: registrytest.LinkOpaque}}, "", []string{"a b", "c d"}},
		{"no link", registrytest.Options{PageSize: 3, Lists: registrytest.ListOptions{Link: registrytest.LinkNone}}, "", []string{"a b c"}},
		{"endless", registrytest.Options{PageSize: 3, Lists: registrytest.ListOptions{Link: registrytest.LinkEndless}}, "", []string{"a b c", "a b c", "a b c", "a b c", "a b c", "a b c", "…"}},
		{"empty last page", registrytest.Options{PageSize: 2, Lists: registrytest.ListOptions{EmptyLastPage: true}}, "", []string{"a b", "c d", ""}},
		{"null last page", registrytest.Options{PageSize: 2, Lists: registrytest.ListOptions{EmptyLastPage: true, Null: true}}, "", []string{"a b", "c d", "null"}},
		{"no paging", registrytest.Options{PageSize: 2, Lists: registrytest.ListOptions{NoPaging: true}}, "?n=1&last=b", []string{"a b c d"}},
		{"unsorted", registrytest.Options{PageSize: 3, Lists: registrytest.ListOptions{Unsorted: true}}, "", []string{"d a c", "b"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := quirksServer(t, &tc.options)
			quirksTags(t, s, "team/app", "d", "a", "c", "b")
			if got := quirksList(t, s.URL+"/v2/team/app/tags/list"+tc.query, "tags"); !slices.Equal(got, tc.want) {
				t.Errorf("pages %q, want %q", got, tc.want)
			}
		})
	}
}

func TestListRefusals(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options registrytest.ListOptions
		query   string
		status  int
	}{
		{"n too large", registrytest.ListOptions{MaxN: 2}, "?n=3", 400},
		{"n too large, 413", registrytest.ListOptions{MaxN: 2, MaxNStatus: 413}, "?n=3", 413},
		{"n just right", registrytest.ListOptions{MaxN: 2}, "?n=2", 200},
		{"n is none", registrytest.ListOptions{}, "?n=many", 400},
		{"n negative", registrytest.ListOptions{}, "?n=-1", 400},
		{"last is no tag", registrytest.ListOptions{LastMustExist: true}, "?last=bb", 404},
	} {
		s := quirksServer(t, &registrytest.Options{Lists: tc.options})
		quirksTags(t, s, "team/app", "a", "b", "c")
		resp, text, err := quirksDo(t, "GET", s.URL+"/v2/team/app/tags/list"+tc.query, nil, "")
		if err != nil || resp.StatusCode != tc.status {
			t.Errorf("%s: %v %v %s", tc.name, resp, err, text)
		}
		if tc.status == 400 && !strings.Contains(text, "PAGINATION_NUMBER_INVALID") {
			t.Errorf("%s: %s", tc.name, text)
		}
	}
}

func TestForeignLink(t *testing.T) {
	s := quirksServer(t, &registrytest.Options{PageSize: 1, Lists: registrytest.ListOptions{Link: registrytest.LinkForeign}})
	quirksTags(t, s, "team/app", "a", "b")
	resp, _, err := quirksDo(t, "GET", s.URL+"/v2/team/app/tags/list", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	next, err := url.Parse(quirksNextPage(t, resp))
	if err != nil || next.Host == s.Host || next.Host != s.Storage.Host {
		t.Fatalf("link to %v, %v", next, err)
	}
	if resp, _, err := quirksDo(t, "GET", next.String(), http.Header{"X-Canary": {"1"}}, ""); err != nil || resp.StatusCode != 403 {
		t.Errorf("%v %v", resp, err)
	}
	if got := s.Storage.Requests(); len(got) != 1 || got[0].Header("X-Canary") != "1" {
		t.Errorf("the other host has seen %v", got)
	}
}

func TestListsFollowWrites(t *testing.T) {
	s := quirksServer(t, nil)
	list := func() string { return strings.Join(quirksList(t, s.URL+"/v2/team/app/tags/list", "tags"), "|") }
	quirksTags(t, s, "team/app", "a", "b")
	first := list()
	quirksTags(t, s, "team/app", "c")
	if got := first + " then " + list(); got != "a b then a b c" {
		t.Error(got)
	}
}

func TestCatalog(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options registrytest.Options
		status  int
		want    string
	}{
		{"all", registrytest.Options{}, 200, "team/app team/lib"},
		{"pages", registrytest.Options{PageSize: 1}, 200, "team/app|team/lib"},
		{"relative pages", registrytest.Options{PageSize: 1, Lists: registrytest.ListOptions{Link: registrytest.LinkRelative}}, 200, "team/app|team/lib"},
		{"filtered", registrytest.Options{Catalog: registrytest.CatalogOptions{Hidden: func(name string) bool { return name == "team/app" }}}, 200, "team/lib"},
		{"administrators", registrytest.Options{Catalog: registrytest.CatalogOptions{Status: 401}}, 401, ""},
		{"denied", registrytest.Options{Catalog: registrytest.CatalogOptions{Status: 403}}, 403, ""},
		{"none", registrytest.Options{Catalog: registrytest.CatalogOptions{Status: 404}}, 404, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := quirksServer(t, &tc.options)
			quirksTags(t, s, "team/lib", "a")
			quirksTags(t, s, "team/app", "a")
			resp, _, err := quirksDo(t, "GET", s.URL+"/v2/_catalog", nil, "")
			if err != nil || resp.StatusCode != tc.status {
				t.Fatalf("%v %v", resp, err)
			}
			if tc.status != 200 {
				return
			}
			if got := strings.Join(quirksList(t, s.URL+"/v2/_catalog", "repositories"), "|"); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
