package registry_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/internal/heap"
	"github.com/portolan-oci/portolan/registry"
)

// listsPage is one answer of a list: its entries as JSON, and its Link.
type listsPage struct {
	status        int // 0: 200
	entries, link string
}

// listsServer answers each address, with its query, with a page, and logs what
// was asked. "*" answers every other one.
type listsServer struct {
	*httptest.Server
	key   string
	pages map[string]listsPage
	asked []string
}

func newListsServer(t *testing.T, key string, pages map[string]listsPage) *listsServer {
	t.Helper()
	s := &listsServer{key: key, pages: pages}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *listsServer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.asked = append(s.asked, req.URL.RequestURI())
	page, ok := s.pages[req.URL.RequestURI()]
	if !ok {
		page = s.pages["*"]
	}
	if page.link != "" {
		w.Header().Set("Link", strings.ReplaceAll(page.link, "HOST", req.Host))
	}
	w.Header().Set("Content-Type", "application/json")
	if page.status != 0 {
		w.WriteHeader(page.status)
		fmt.Fprint(w, page.entries)
		return
	}
	fmt.Fprintf(w, `{"name":"app","other":{"tags":["no"]},%q:%s}`, s.key, page.entries)
}

func (s *listsServer) host() string { return strings.TrimPrefix(s.URL, "http://") }

func TestTagPages(t *testing.T) {
	const first = "/v2/app/tags/list"
	many := `["` + strings.Repeat(`x","`, 999) + `y"]`
	for _, tc := range []struct {
		name  string
		pages map[string]listsPage
		want  []string
		asked []string // "": what want says with one page
		fails string
	}{
		{name: "null", pages: map[string]listsPage{"*": {entries: `null`}}},
		{name: "missing", pages: map[string]listsPage{"*": {entries: `[],"tagz":[]`}}},
		{name: "unsorted", pages: map[string]listsPage{"*": {entries: `["b","a"]`}}, want: []string{"b", "a"}},
		{name: "another relation", pages: map[string]listsPage{"*": {entries: `["a"]`, link: `</v2/app/tags/list?last=a>; rel="first"`}}, want: []string{"a"}},
		{name: "path", pages: map[string]listsPage{first: {entries: `["a"]`, link: `</v2/app/tags/list?last=%7Ba%3D&x>; rel="next"`}, first + "?last=%7Ba%3D&x": {entries: `["b"]`}},
			want: []string{"a", "b"}, asked: []string{first, first + "?last=%7Ba%3D&x"}},
		{name: "relative", pages: map[string]listsPage{first: {entries: `["a"]`, link: `<list?cursor=2>; rel=next`}, first + "?cursor=2": {entries: `["b"]`}},
			want: []string{"a", "b"}, asked: []string{first, first + "?cursor=2"}},
		{name: "whole", pages: map[string]listsPage{first: {entries: `["a"]`, link: `<http://HOST/v2/app/tags/list?last=a>; REL="next"`}, first + "?last=a": {entries: `["b"]`}},
			want: []string{"a", "b"}, asked: []string{first, first + "?last=a"}},
		{name: "empty last page", pages: map[string]listsPage{first: {entries: `["a"]`, link: `<list?last=a>; rel="next"`}, first + "?last=a": {entries: `null`}},
			want: []string{"a"}, asked: []string{first, first + "?last=a"}},
		{name: "empty page between", pages: map[string]listsPage{first: {entries: `[]`, link: `<list?p=2>; rel="next"`}, first + "?p=2": {entries: `[]`, link: `<list?p=3>; rel="next"`}, first + "?p=3": {entries: `["a"]`}},
			want: []string{"a"}, asked: []string{first, first + "?p=2", first + "?p=3"}},
		{name: "foreign host", pages: map[string]listsPage{"*": {entries: `["a"]`, link: `<https://elsewhere.invalid/v2/app/tags/list?last=a&sig=canary>; rel="next"`}},
			want: []string{"a"}, asked: []string{first}, fails: "not followed"},
		{name: "other port", pages: map[string]listsPage{"*": {entries: `["a"]`, link: `<//127.0.0.1:1/v2/>; rel="next"`}},
			want: []string{"a"}, asked: []string{first}, fails: "not followed"},
		{name: "user in it", pages: map[string]listsPage{"*": {entries: `["a"]`, link: `<http://me:canary@HOST/v2/>; rel="next"`}},
			want: []string{"a"}, asked: []string{first}, fails: "no address"},
		{name: "no URL", pages: map[string]listsPage{"*": {entries: `["a"]`, link: `<http://%zz/?sig=canary>; rel="next"`}},
			want: []string{"a"}, asked: []string{first}, fails: "is none"},
		{name: "same address", pages: map[string]listsPage{"*": {entries: `["a"]`, link: `<list>; rel="next"`}},
			want: []string{"a"}, asked: []string{first, first}, fails: "repeats"},
		{name: "same page", pages: map[string]listsPage{first: {entries: `["a"]`, link: `<list?p=2>; rel="next"`}, "*": {entries: `["a"]`, link: `<list?p=3>; rel="next"`}},
			want: []string{"a"}, asked: []string{first, first + "?p=2"}, fails: "repeats"},
		{name: "number wanted", pages: map[string]listsPage{first: {status: 413}, first + "?n=1000": {status: 400, entries: `{"errors":[{"code":"PAGINATION_NUMBER_INVALID"}]}`}, first + "?n=100": {entries: `["a"]`}},
			want: []string{"a"}, asked: []string{first, first + "?n=1000", first + "?n=100"}},
		{name: "always too many", pages: map[string]listsPage{"*": {status: 413}},
			asked: []string{first, first + "?n=1000", first + "?n=100"}, fails: "413"},
		{name: "no such name", pages: map[string]listsPage{"*": {status: 400, entries: `{"errors":[{"code":"NAME_INVALID"}]}`}},
			asked: []string{first}, fails: "400"},
		{name: "page beyond the limit", pages: map[string]listsPage{first: {entries: `[` + strings.Repeat(" ", 4<<20) + `]`}, "*": {entries: `["a"]`}},
			want: []string{"a"}, asked: []string{first, first + "?n=1000"}},
		{name: "number, and no Link", pages: map[string]listsPage{first: {status: 413}, first + "?n=1000": {entries: many}, first + "?last=y&n=1000": {entries: `["z"]`}},
			want: append(slices.Repeat([]string{"x"}, 999), "y", "z"), asked: []string{first, first + "?n=1000", first + "?last=y&n=1000"}},
		{name: "number, and no last", pages: map[string]listsPage{first: {status: 413}, first + "?n=1000": {entries: many}, "*": {status: 400}},
			want: append(slices.Repeat([]string{"x"}, 999), "y"), asked: []string{first, first + "?n=1000", first + "?last=y&n=1000"}},
		{name: "number and last not heeded", pages: map[string]listsPage{first: {status: 413}, "*": {entries: many}},
			want: append(slices.Repeat([]string{"x"}, 999), "y"), asked: []string{first, first + "?n=1000", first + "?last=y&n=1000"}},
		{name: "number, then denied", pages: map[string]listsPage{first: {status: 413}, first + "?n=1000": {entries: many}, "*": {status: 403}},
			want: append(slices.Repeat([]string{"x"}, 999), "y"), asked: []string{first, first + "?n=1000", first + "?last=y&n=1000"}, fails: "403"},
		{name: "no object", pages: map[string]listsPage{"*": {entries: `1}{"tags":["a"]`}}, asked: []string{first}, fails: "no list"},
		{name: "half of it", pages: map[string]listsPage{"*": {entries: `["a"`}}, asked: []string{first, first}, fails: "no list"},
		{name: "numbers", pages: map[string]listsPage{"*": {entries: `[1]`}}, asked: []string{first}, fails: "no list"},
		{name: "a text", pages: map[string]listsPage{"*": {entries: `"a"`}}, asked: []string{first}, fails: "no list"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newListsServer(t, "tags", tc.pages)
			client, err := registry.NewClient(nil)
			if err != nil {
				t.Fatal(err)
			}
			repo, err := client.Repository(registry.Reference{Host: s.host(), Repository: "app"})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			err = repo.Tags(t.Context(), "", func(tags []string) error { got = append(got, tags...); return nil })
			if !slices.Equal(got, tc.want) {
				t.Errorf("tags %.200q, want %.200q", got, tc.want)
			}
			if tc.asked != nil && !slices.Equal(s.asked, tc.asked) {
				t.Errorf("asked for %q, want %q", s.asked, tc.asked)
			}
			_, paged := errors.AsType[*registry.PageError](err)
			switch {
			case tc.fails == "" && err != nil:
				t.Error(err)
			case tc.fails != "" && (err == nil || !strings.Contains(err.Error(), tc.fails) || strings.Contains(err.Error(), "canary")):
				t.Errorf("error = %v, want %q in it", err, tc.fails)
			case strings.Contains("not followed repeats no address is none", tc.fails) && tc.fails != "" && !paged:
				t.Errorf("error = %#v, want a PageError", err)
			}
		})
	}
}

func TestTagsAfterOne(t *testing.T) {
	s := newListsServer(t, "tags", map[string]listsPage{"/v2/app/tags/list?last=b": {entries: `["c"]`}})
	client, err := registry.NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: s.host(), Repository: "app"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := repo.Tags(t.Context(), "b", func(tags []string) error { got = append(got, tags...); return nil }); err != nil || !slices.Equal(got, []string{"c"}) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestManyTags: 100,000 tags, in the pages of the registry: the first tag is
// there after the first page, and no page outlives its turn.
func TestManyTags(t *testing.T) {
	const total = 100_000
	for _, size := range []int{100, 1000, total} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			requests := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				requests++
				from, _ := strconv.Atoi(req.URL.Query().Get("last"))
				if to := from + size; to < total {
					w.Header().Set("Link", fmt.Sprintf(`</v2/app/tags/list?last=%d>; rel="next"`, to))
				}
				fmt.Fprint(w, `{"name":"app","tags":[`)
				for i := range size {
					fmt.Fprintf(w, `%s"1.0.%d"`, strings.Repeat(",", min(i, 1)), from+i)
				}
				fmt.Fprint(w, `]}`)
			}))
			defer s.Close()
			client, err := registry.NewClient(nil)
			if err != nil {
				t.Fatal(err)
			}
			repo, err := client.Repository(registry.Reference{Host: strings.TrimPrefix(s.URL, "http://"), Repository: "app"})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			grown := heap.Growth(func() {
				for tag, err := range registry.Tags(t.Context(), repo) {
					if err != nil || tag != "1.0."+strconv.Itoa(n) {
						t.Fatalf("tag %d is %q: %v", n, tag, err)
					}
					if n++; n == 1 && requests != 1 {
						t.Errorf("the first tag came after %d requests", requests)
					}
				}
			})
			if n != total || requests != total/size || grown > 16<<20 {
				t.Errorf("%d tags in %d requests grew the heap by %d bytes", n, requests, grown)
			}
			t.Logf("pages of %d: %d requests, heap growth %.1f MiB", size, requests, float64(grown)/(1<<20))
		})
	}
}
