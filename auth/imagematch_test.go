package auth

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestImagePatterns(t *testing.T) {
	for _, tc := range []struct {
		pattern, resource string
		want              bool
	}{
		{"r.io", "r.io/team/app", true},
		{"r.io", "s.io/team/app", false},
		{"R.IO", "r.io", true},
		{"*.io", "r.io", true},
		{"*.io", "a.r.io", false}, // a star is one label
		{"*.*.io", "a.r.io", true},
		{"*", "localhost", true},
		{"*", "r.io", false},
		{"r*.io", "registry.io", true},
		{"r?.io", "r1.io", true},
		{"k8s.*", "k8s.io", true},
		{"r.io:5000", "r.io:5000/a", true},
		{"r.io:5000", "r.io/a", false}, // ports are equal or absent in both
		{"r.io", "r.io:5000/a", false},
		{"*.io:5000", "r.io:5000", true},
		{"r.io/team", "r.io/team", true},
		{"r.io/team", "r.io/team/app", true},
		{"r.io/team/", "r.io/team/app", true},
		{"r.io/team", "r.io/teams/app", false}, // whole segments
		{"r.io/team", "r.io", false},
		{"r.io/*", "r.io/team", false}, // paths hold no wildcards
		{"https://r.io", "r.io/a", true},
		{"https://r.io/v1/", "r.io/a", true},
		{"http://r.io/v2/team", "r.io/team/app", true},
		{"https://index.docker.io/v1/", "docker.io/a/b", true},
		{"docker.io", "registry-1.docker.io/a", true},
		{"*.docker.io", "docker.io/a", true},
		{"[::1]:5000", "[::1]:5000/a", true},
		{"[::1]:5000", "[::2]:5000/a", false},
		{"[::1]", "[::1]/a", true},
		{"*.example.com", "evil.example.com.attacker.net", false},
		{"r.example.com", "rxexample.com", false},
		{"", "r.io", false},
		{"/team", "r.io/team", false},
		{"r..io", "r.io", false},
		{"u:p@r.io", "r.io", false},
		{"ftp://r.io", "r.io", false},
		{"[a.io", "a.io", false},
		{"r.io:*", "r.io:5000", false},
	} {
		t.Run(tc.pattern+" "+tc.resource, func(t *testing.T) {
			r := mustParse(t, tc.resource)
			if got := len(matchingImages([]string{tc.pattern}, r)) > 0; got != tc.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestImagePatternOrder(t *testing.T) {
	want := []string{
		"r.example.com/a/b", "r.example.com/a", "http://r.example.com", "https://r.example.com/v1/", "r.example.com",
		"r.*.com/a", "r.*.com", "r*.example.com", "*.example.com/a/b", "*.example.com", "*.*.com",
	}
	r := Resource{"r.example.com", "a/b/c"}
	for range 20 {
		shuffled := append([]string{"s.example.com", "r.example.com/b", "*.com"}, want...)
		rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := matchingImages(shuffled, r); !slices.Equal(got, want) {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
	}
}

// FuzzImagePattern: a pattern matches by whole labels and whole segments, with
// the very port, and without wildcards no other host than its own.
func FuzzImagePattern(f *testing.F) {
	for _, s := range []string{"r.io", "*.io/team", "r*.io:5000", "[::1]:5000/a", "https://index.docker.io/v1/", "[a-", "..", "a:b:c", "*:5000"} {
		f.Add(s, "r.io/team/app")
	}
	f.Fuzz(func(t *testing.T, pattern, address string) {
		r, err := ParseResource(address)
		if err != nil || r.isHub() || len(matchingImages([]string{pattern}, r)) == 0 {
			return
		}
		p, err := parseImagePattern(pattern)
		target, targetErr := parseImagePattern(r.Host)
		if err != nil || targetErr != nil || p.port != target.port || len(p.labels) != len(target.labels) || !(Resource{r.Host, p.path}).covers(r) {
			t.Fatalf("%q has matched %s", pattern, r)
		}
		for i, label := range p.labels {
			if !hasWildcard(label) && label != target.labels[i] {
				t.Errorf("%q has matched %s", pattern, r)
			}
		}
	})
}
