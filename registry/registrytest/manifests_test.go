package registrytest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/registry/registrytest"
)

const quirksSchema2 = "application/vnd.docker.distribution.manifest.v2+json"

func TestManifestAnswers(t *testing.T) {
	type answers map[string]string // header of HEAD and GET; Length and Status too
	d := digest.FromString(quirksIndex("a")).String()
	for _, tc := range []struct {
		name       string
		options    registrytest.ManifestOptions
		header     http.Header
		head, want answers
	}{
		{"conforming", registrytest.ManifestOptions{}, nil,
			answers{"Status": "200", "Docker-Content-Digest": d, "Length": "known", "Docker-Distribution-Api-Version": "registry/2.0"},
			answers{"Status": "200", "Docker-Content-Digest": d, "Length": "known", "Content-Type": quirksIndexType.Get("Content-Type"), "ETag": `"` + d + `"`}},
		{"no HEAD", registrytest.ManifestOptions{NoHead: true}, nil, answers{"Status": "405"}, answers{"Status": "200"}},
		{"no digest", registrytest.ManifestOptions{NoDigest: true}, nil, answers{"Docker-Content-Digest": ""}, answers{"Docker-Content-Digest": ""}},
		{"wrong digest", registrytest.ManifestOptions{WrongDigest: true}, nil,
			answers{"Docker-Content-Digest": digest.FromString("another manifest").String()}, answers{"Docker-Content-Digest": digest.FromString("another manifest").String()}},
		{"no length", registrytest.ManifestOptions{NoLength: true}, nil, answers{"Length": "unknown"}, answers{"Length": "unknown"}},
		{"no type", registrytest.ManifestOptions{ContentType: "-"}, nil, answers{"Content-Type": ""}, answers{"Content-Type": ""}},
		{"wrong type", registrytest.ManifestOptions{ContentType: "text/plain"}, nil, answers{"Content-Type": "text/plain"}, answers{"Content-Type": "text/plain"}},
		{"no ETag", registrytest.ManifestOptions{NoETag: true}, http.Header{"If-None-Match": {`"` + d + `"`}}, answers{"ETag": "", "Status": "200"}, answers{"Status": "200"}},
		{"not modified", registrytest.ManifestOptions{}, http.Header{"If-None-Match": {`"x", W/"` + d + `"`}}, answers{"Status": "304"}, answers{"Status": "304"}},
		{"Accept that does not list it", registrytest.ManifestOptions{StrictAccept: true}, http.Header{"Accept": {quirksSchema2}}, answers{"Status": "404"}, answers{"Status": "404"}},
		{"no Accept", registrytest.ManifestOptions{StrictAccept: true}, nil, answers{"Status": "404"}, answers{"Status": "404"}},
		{"Accept that does", registrytest.ManifestOptions{StrictAccept: true}, http.Header{"Accept": {quirksSchema2 + ", " + quirksIndexType.Get("Content-Type") + ";q=0.5"}},
			answers{"Status": "200"}, answers{"Status": "200"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := quirksServer(t, &registrytest.Options{Manifests: tc.options})
			quirksTags(t, s, "team/app", "a")
			for method, want := range map[string]answers{"HEAD": tc.head, "GET": tc.want} {
				resp, text, err := quirksDo(t, method, s.URL+"/v2/team/app/manifests/a", tc.header, "")
				if err != nil {
					t.Fatal(err)
				}
				got := answers{"Status": resp.Status[:3], "Length": "known"}
				if resp.ContentLength < 0 {
					got["Length"] = "unknown"
				}
				for name := range want {
					if _, ok := got[name]; !ok {
						got[name] = resp.Header.Get(name)
					}
					if got[name] != want[name] {
						t.Errorf("%s: %s %q, want %q", method, name, got[name], want[name])
					}
				}
				if method == "GET" && resp.StatusCode == 200 && text != quirksIndex("a") {
					t.Errorf("body %q", text)
				}
			}
		})
	}
}

func TestSchema2IsKept(t *testing.T) {
	s := quirksServer(t, nil)
	manifest := `{"schemaVersion":2,"mediaType":"` + quirksSchema2 + `"}`
	resp, _, err := quirksDo(t, "PUT", s.URL+"/v2/team/app/manifests/a", http.Header{"Content-Type": {quirksSchema2}}, manifest)
	if err != nil || resp.StatusCode != 201 {
		t.Fatal(resp, err)
	}
	resp, text, err := quirksDo(t, "GET", s.URL+"/v2/team/app/manifests/a", nil, "")
	if err != nil || text != manifest || resp.Header.Get("Content-Type") != quirksSchema2 {
		t.Error(resp, err, text)
	}
}

func TestBadManifests(t *testing.T) {
	s := quirksServer(t, nil)
	for _, tc := range []struct {
		name, content string
		status        int
		want          string
	}{
		{"no JSON", "{", 400, "MANIFEST_INVALID"},
		{"too large", `{"x":"` + strings.Repeat("x", 4<<20) + `"}`, 413, "MANIFEST_INVALID"},
		{"names an absent manifest", `{"schemaVersion":2,"manifests":[{"mediaType":"a/b","size":1,"digest":"` + digest.FromString("x").String() + `"}]}`,
			400, `"MANIFEST_BLOB_UNKNOWN","message":"the manifest names what is not here","detail":"` + digest.FromString("x").String()},
	} {
		resp, text, err := quirksDo(t, "PUT", s.URL+"/v2/team/app/manifests/a", quirksIndexType, tc.content)
		if err != nil || resp.StatusCode != tc.status || !strings.Contains(text, tc.want) {
			t.Errorf("%s: %v %v %s", tc.name, resp, err, text)
		}
	}
}

func TestImmutableTags(t *testing.T) {
	for form, want := range map[registrytest.Immutable]string{
		registrytest.Mutable:           "201 ",
		registrytest.ImmutableHarbor:   "412 PRECONDITION configured as immutable",
		registrytest.ImmutableECR:      "400 TAG_INVALID cannot be overwritten",
		registrytest.ImmutableHub:      "403 DENIED immutable",
		registrytest.ImmutableConflict: "409 TAG_IMMUTABLE immutable",
	} {
		s := quirksServer(t, &registrytest.Options{Manifests: registrytest.ManifestOptions{Immutable: form}})
		quirksTags(t, s, "team/app", "a", "a") // the same again is no move
		resp, text, err := quirksDo(t, "PUT", s.URL+"/v2/team/app/manifests/a", quirksIndexType, quirksIndex("b"))
		if err != nil {
			t.Fatal(err)
		}
		status, rest, _ := strings.Cut(want, " ")
		code, says, _ := strings.Cut(rest, " ")
		if !strings.HasPrefix(resp.Status, status) || !strings.Contains(text, code) || !strings.Contains(text, says) {
			t.Errorf("%s %s, want %s", resp.Status, text, want)
		}
	}
}

func TestConditionalPut(t *testing.T) {
	s := quirksServer(t, &registrytest.Options{Manifests: registrytest.ManifestOptions{Conditional: true}})
	put := func(name, value, content string) int {
		t.Helper()
		resp, _, err := quirksDo(t, "PUT", s.URL+"/v2/team/app/manifests/a", http.Header{"Content-Type": quirksIndexType["Content-Type"], name: {value}}, content)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	a := `"` + digest.FromString(quirksIndex("a")).String() + `"`
	for _, tc := range []struct {
		name, value, content string
		want                 int
	}{
		{"If-Match", a, quirksIndex("a"), 412},
		{"If-None-Match", "*", quirksIndex("a"), 201},
		{"If-None-Match", "*", quirksIndex("b"), 412},
		{"If-Match", a, quirksIndex("b"), 201},
		{"If-Match", a, quirksIndex("c"), 412},
	} {
		if got := put(tc.name, tc.value, tc.content); got != tc.want {
			t.Errorf("%s: %s: %d, want %d", tc.name, tc.value, got, tc.want)
		}
	}
}

func TestDeletes(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options registrytest.DeleteOptions
		byTag   bool
		status  int
		want    string // the tags that are left of a and b, which name one manifest, and c
	}{
		{"tag", registrytest.DeleteOptions{}, true, 202, "b c"},
		{"manifest", registrytest.DeleteOptions{}, false, 202, "c"},
		{"nothing", registrytest.DeleteOptions{None: true}, false, 405, "a b c"},
		{"no tags", registrytest.DeleteOptions{NoTags: true}, true, 405, "a b c"},
		{"no tags, but manifests", registrytest.DeleteOptions{NoTags: true}, false, 202, "c"},
		{"a tag is its manifest", registrytest.DeleteOptions{TagIsManifest: true}, true, 202, "c"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := quirksServer(t, &registrytest.Options{Deletes: tc.options})
			quirksTags(t, s, "team/app", "a", "c")
			if resp, _, err := quirksDo(t, "PUT", s.URL+"/v2/team/app/manifests/b", quirksIndexType, quirksIndex("a")); err != nil || resp.StatusCode != 201 {
				t.Fatal(resp, err)
			}
			name := "a"
			if !tc.byTag {
				name = digest.FromString(quirksIndex("a")).String()
			}
			resp, text, err := quirksDo(t, "DELETE", s.URL+"/v2/team/app/manifests/"+name, nil, "")
			if err != nil || resp.StatusCode != tc.status || (tc.status == 405 && !strings.Contains(text, "UNSUPPORTED")) {
				t.Errorf("%v %v %s", resp, err, text)
			}
			if got := quirksList(t, s.URL+"/v2/team/app/tags/list", "tags"); got[0] != tc.want {
				t.Errorf("left %q, want %q", got[0], tc.want)
			}
		})
	}
}

func TestReferrersForms(t *testing.T) {
	subject := digest.FromString(quirksIndex("a")).String()
	referrer := func(note string) string {
		return strings.Replace(quirksIndex(note), `"manifests"`, `"artifactType":"a/`+note+`","subject":{"mediaType":"a/b","size":1,"digest":"`+subject+`"},"manifests"`, 1)
	}
	for _, tc := range []struct {
		name    string
		options registrytest.Options
		status  int
		want    string
	}{
		{"API", registrytest.Options{}, 200, "x y"},
		{"pages", registrytest.Options{PageSize: 1}, 200, "x y"},
		{"relative pages", registrytest.Options{PageSize: 1, Lists: registrytest.ListOptions{Link: registrytest.LinkRelative}}, 200, "x y"},
		{"none", registrytest.Options{NoReferrers: true}, 404, ""},
		{"limited", registrytest.Options{Referrers: registrytest.ReferrersLimited}, 429, ""},
		{"redirect", registrytest.Options{Referrers: registrytest.ReferrersRedirect}, 303, ""},
		{"page", registrytest.Options{Referrers: registrytest.ReferrersHTML}, 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := quirksServer(t, &tc.options)
			for _, note := range []string{"x", "y"} {
				resp, text, err := quirksDo(t, "PUT", s.URL+"/v2/team/app/manifests/"+note, quirksIndexType, referrer(note))
				if err != nil || resp.StatusCode != 201 || (resp.Header.Get("OCI-Subject") != "") != (tc.want != "") {
					t.Fatal(resp, err, text)
				}
			}
			all := ""
			for next := s.URL + "/v2/team/app/referrers/" + subject; next != ""; {
				resp, text, err := quirksDo(t, "GET", next, nil, "")
				if err != nil || resp.StatusCode != tc.status {
					t.Fatal(resp, err, text)
				}
				all += text
				next = quirksNextPage(t, resp)
			}
			for note := range strings.FieldsSeq("x y") {
				if strings.Contains(all, `"a/`+note+`"`) != strings.Contains(tc.want, note) {
					t.Errorf("list %s, want %s", all, tc.want)
				}
			}
		})
	}
	s := quirksServer(t, nil)
	quirksTags(t, s, "team/app", "a")
	if _, text, err := quirksDo(t, "GET", s.URL+"/v2/team/app/referrers/"+subject, nil, ""); err != nil || !strings.Contains(text, `"manifests":[]`) {
		t.Errorf("no referrers: %s %v", text, err)
	}
}
