package auth

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every challenge of every header is read, whatever its spelling.
func Test31ParseChallenges(t *testing.T) {
	type p = map[string]string
	for _, tc := range []struct {
		name   string
		in     []string
		want   []challenge
		choice string
	}{
		{"basic", []string{`Basic realm="x"`}, []challenge{{"basic", p{"realm": "x"}}}, "basic"},
		{"bearer", []string{`Bearer realm="https://a/t",service="s",scope="repository:a:pull,push"`}, []challenge{{"bearer", p{"realm": "https://a/t", "service": "s", "scope": "repository:a:pull,push"}}}, "bearer"},
		{"upper case", []string{`BEARER REALM="https://a/t", Service = "s"`}, []challenge{{"bearer", p{"realm": "https://a/t", "service": "s"}}}, "bearer"},
		{"basic before bearer", []string{`Basic realm="x", Bearer realm="https://a/t"`}, []challenge{{"basic", p{"realm": "x"}}, {"bearer", p{"realm": "https://a/t"}}}, "bearer"},
		{"negotiate before basic", []string{`Negotiate, Basic realm="x"`}, []challenge{{"negotiate", p{}}, {"basic", p{"realm": "x"}}}, "basic"},
		{"token68", []string{`Negotiate oYG2MIGz==, Basic realm=x`}, []challenge{{"negotiate", p{}}, {"basic", p{"realm": "x"}}}, "basic"},
		{"several headers", []string{`Negotiate`, `Basic realm="x"`}, []challenge{{"negotiate", p{}}, {"basic", p{"realm": "x"}}}, "basic"},
		{"no quotes", []string{`Bearer realm=https://a/t?x=1,service=s`}, []challenge{{"bearer", p{"realm": "https://a/t?x=1", "service": "s"}}}, "bearer"},
		{"escapes", []string{`Basic realm="a\"b, c\\"`}, []challenge{{"basic", p{"realm": `a"b, c\`}}}, "basic"},
		{"first of a name counts", []string{`Basic realm="a", realm="b"`}, []challenge{{"basic", p{"realm": "a"}}}, "basic"},
		{"bearer without realm", []string{`Bearer`, `Basic`}, []challenge{{"bearer", p{}}, {"basic", p{}}}, "basic"},
		{"garbage", []string{`=,;"`, "", ` ,,`, `"Basic"`}, []challenge{{"basic", p{}}}, "basic"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := parseChallenges(http.Header{"Www-Authenticate": tc.in})
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(challenge{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if c, _ := chooseChallenge(got); c.scheme != tc.choice {
				t.Errorf("chose %q, want %q", c.scheme, tc.choice)
			}
		})
	}
	if _, found := chooseChallenge(parseChallenges(http.Header{"Www-Authenticate": {"Negotiate"}})); found {
		t.Error("Negotiate was chosen")
	}
}

func Fuzz57ParseChallenges(f *testing.F) {
	for _, s := range []string{`Basic realm="x"`, `Bearer realm="https://a/t",scope="repository:a:pull"`, `Negotiate abc==, Basic`, `a=b`, `"`, `Bearer realm="\`, `A B=C D`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list := parseChallenges(http.Header{"Www-Authenticate": {s}})
		if len(list) > maxChallenges {
			t.Fatalf("%d challenges", len(list))
		}
		var canonical []string
		for _, c := range list {
			if c.scheme == "" || c.scheme != strings.ToLower(c.scheme) {
				t.Fatalf("scheme %q", c.scheme)
			}
			text := c.scheme + " "
			for name, value := range c.params {
				if name == "" || name != strings.ToLower(name) {
					t.Fatalf("parameter %q", name)
				}
				text += fmt.Sprintf(`%s="%s", `, name, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value))
			}
			canonical = append(canonical, text)
		}
		again := parseChallenges(http.Header{"Www-Authenticate": canonical})
		size := 0
		for _, c := range canonical {
			size = max(size, len(c))
		}
		if diff := cmp.Diff(list, again, cmp.AllowUnexported(challenge{})); diff != "" && size <= maxChallengeHeader {
			t.Fatalf("%q does not survive being written out:\n%s", s, diff)
		}
	})
}
