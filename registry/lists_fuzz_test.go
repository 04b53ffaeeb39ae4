package registry

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzNextPage: whatever a registry writes, the next page is at the host that
// was asked, in its scheme, and no user's name travels along.
func FuzzNextPage(f *testing.F) {
	for _, link := range []string{
		`</v2/app/tags/list?last=a>; rel="next"`, `<list?p=2>; rel=next`, `<https://reg.example.com:443/v2/>;rel="prev next"`,
		`<http://reg.example.com/>; REL=Next`, `<a>; rel="first", <b>; title="<,;\">"; rel="next"`, `<//evil.invalid/>; rel="next"`,
		`</only>`, `<a>, <b>`, `<a`, `a>; rel="next"`, `<javascript:x>; rel="next"`, `<\\evil.invalid\x>; rel="next"`,
		`<a>; rel="first"; rel="next"`, `<http://me:pw@reg.example.com/>; rel="next"`, "<?\x00>; rel=next",
	} {
		f.Add(link)
	}
	at := &url.URL{Scheme: "https", Host: "reg.example.com", Path: "/v2/app/tags/list"}
	f.Fuzz(func(t *testing.T, link string) {
		next, err := nextPage(at, http.Header{"Link": {link}})
		if err != nil || next == nil {
			return
		}
		if next.Scheme != at.Scheme || next.Host != at.Host || next.User != nil {
			t.Errorf("%q leads to %s", link, next)
		}
		if again, err := url.Parse(next.String()); err != nil || again.Host != at.Host {
			t.Errorf("%q reads back as %v, %v", link, again, err)
		}
	})
}

func TestNextLink(t *testing.T) {
	for link, want := range map[string]string{
		`</a>; rel="next"`:                            "/a",
		`</a>;rel=NEXT`:                               "/a",
		`</a>; rel="prev"`:                            "",
		`</a>; rel="last next"`:                       "/a",
		`</a>; rel="first", </b>; rel="next"`:         "/b",
		`</a>; title="x, <y>; rel=next"; rel="first"`: "",
		`</a>`:                          "/a",
		`</a>, </b>`:                    "",
		`</a>; rel="first"; rel="next"`: "",
		`</a?x=1,2;3>; rel="next"`:      "/a?x=1,2;3",
		`</a`:                           "",
		`rel="next"`:                    "",
	} {
		if got := nextLink([]string{link}); got != want {
			t.Errorf("nextLink(%s) = %q, want %q", link, got, want)
		}
	}
	if got := nextLink([]string{`</a>; rel="first"`, `</b>; rel="next"`}); got != "/b" {
		t.Errorf("of two headers: %q", got)
	}
}

// TestNextPage: a proxy that ends TLS makes a registry write http; the port may
// be written out; any other host is not followed.
func TestNextPage(t *testing.T) {
	at := &url.URL{Scheme: "https", Host: "reg.example.com", Path: "/v2/app/tags/list"}
	for link, want := range map[string]string{
		"http://reg.example.com/v2/app/tags/list?last=a": "https://reg.example.com/v2/app/tags/list?last=a",
		"https://reg.example.com:443/x":                  "https://reg.example.com/x",
		"https://Reg.Example.com/x":                      "https://reg.example.com/x",
		"?last=a":                                        "https://reg.example.com/v2/app/tags/list?last=a",
		"https://reg.example.com:8443/x":                 "",
		"https://example.com/x":                          "",
		"https://reg.example.com.evil.invalid/x":         "",
		"ftp://reg.example.com/x":                        "",
	} {
		next, err := nextPage(at, http.Header{"Link": {"<" + link + `>; rel="next"`}})
		if got := next; want == "" && (err == nil || got != nil) || want != "" && (err != nil || got.String() != want) {
			t.Errorf("%s: %v, %v, want %s", link, got, err, want)
		}
	}
}

// FuzzDecodeNames: a page is read or refused, and gives no name that does not
// stand in it.
func FuzzDecodeNames(f *testing.F) {
	for _, page := range []string{
		`{"name":"app","tags":["1.0.0","latest"]}`, `{"tags":null}`, `{}`, `{"tags":[]}`, `{"tags":[1]}`, `{"tags":{}}`, `[]`, ``,
		"{\"tags\":[\"\xf1\xf1\xf1a\"],\"tags\":[\"b\"]}", `{"tags":["a"],"tags":["b"]}`, `{"tags":["a"]`, `{"other":{"tags":["x"]},"tags":["\u0061"]}`, `{"tags":["a"]} x`, `null`,
	} {
		f.Add(page)
	}
	f.Fuzz(func(t *testing.T, page string) {
		names, err := decodeNames(strings.NewReader(page), "tags")
		if err != nil && names != nil {
			t.Errorf("%q and %v", names, err)
		}
		valid := string([]rune(page)) // each byte that is no UTF-8 is a character of its own, as encoding/json has it
		if !strings.Contains(page, `\`) && slices.ContainsFunc(names, func(n string) bool { return !strings.Contains(valid, n) }) {
			t.Errorf("%q is read as %q", page, names)
		}
	})
}

// FuzzValidTag: the tag that is looked at byte by byte is the one of the spec's
// grammar.
func FuzzValidTag(f *testing.F) {
	for _, tag := range []string{"latest", "1.0.0_b", "", ".a", "-a", "_", "a+b", "a\n", "é", strings.Repeat("a", 128), strings.Repeat("a", 129)} {
		f.Add(tag)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		if got, want := ValidTag(tag), tagPattern.MatchString(tag); got != want {
			t.Errorf("ValidTag(%q) = %v, the grammar says %v", tag, got, want)
		}
	})
}
