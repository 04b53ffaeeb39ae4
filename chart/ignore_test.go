package chart

import (
	"strings"
	"testing"
)

// Each case is what Helm 4.3.1 does, oddities included.
func TestIgnore(t *testing.T) {
	for _, tc := range []struct {
		rules, name string
		dir, want   bool
	}{
		{"a.txt", "a.txt", false, true},
		{"a.txt", "dir/a.txt", false, true},
		{"a.txt", "b.txt", false, false},
		{"/a.txt", "a.txt", false, true},
		{"/a.txt", "dir/a.txt", false, false},
		{"dir/a.txt", "dir/a.txt", false, true},
		{"dir/a.txt", "x/dir/a.txt", false, false},
		{"dir/", "dir", true, true},
		{"dir/", "dir", false, false},
		{"dir/", "x/dir", true, true},
		{"/dir/", "x/dir", true, false},
		{"*.txt", "a.txt", false, true},
		{"dir/*", "dir/a/b", false, false},
		{"[ab].txt", "b.txt", false, true},
		{"# a.txt", "a.txt", false, false},
		{"  a.txt\t\r", "a.txt", false, true},
		{"\ufeffa.txt", "a.txt", false, true},
		{"!a.txt", "a.txt", false, false},
		{"!a.txt", "b.txt", false, true}, // all that is not a.txt
		{"!dir/", "dir", true, false},
		{"!dir/", "dir", false, true},
		{"*.txt\n!a.txt", "a.txt", false, true}, // the first match decides
		{"!a.txt\n*.txt", "a.txt", false, true},
		{"/", "a", true, false},
		{"", "templates/.hidden", false, true},
		{"", "templates/.d", true, true},
		{"", "templates/x/.hidden", false, false},
		{"", ".hidden", false, false},
	} {
		rules, err := parseIgnore([]byte(tc.rules))
		if err != nil {
			t.Fatal(err)
		}
		if got := rules.ignore(tc.name, tc.dir); got != tc.want {
			t.Errorf("%q, %s (directory: %v) = %v, want %v", tc.rules, tc.name, tc.dir, got, tc.want)
		}
	}
	for _, bad := range []string{"a/**", "[", "ok\n\\"} {
		if _, err := parseIgnore([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzIgnore(f *testing.F) {
	for _, s := range []string{"*.txt\n!a", "/a/\n#x", "a/**", "[a-", "!\n/\n!/"} {
		f.Add(s, "templates/a.txt", true)
	}
	f.Fuzz(func(t *testing.T, text, name string, dir bool) {
		rules, err := parseIgnore([]byte(text))
		if err != nil {
			return
		}
		if rules.ignore("", dir) || rules.ignore(".", dir) {
			t.Error("the root is ignored")
		}
		got := rules.ignore(name, dir)
		again, err := parseIgnore([]byte("# comment\n\n" + strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\n", " \r\n")))
		if err != nil || again.ignore(name, dir) != got {
			t.Errorf("comments and white space change %q for %q: %v", text, name, err)
		}
	})
}
