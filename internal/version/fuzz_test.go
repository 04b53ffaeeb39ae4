package version_test

import (
	"testing"

	"github.com/Masterminds/semver/v3"

	"github.com/portolan-oci/portolan/internal/version"
)

func FuzzParse(f *testing.F) {
	for _, s := range append(ascending, "", "latest", "1.x", "2024.01.05", "v1.2.3-rc.1+b.001", "1.2.3.4", "1.2.3\n", "1.2.3-01", "1.2.3-0a", "1.2.3+01", "1.2.3-", "1.2.3+", "1.2.3-a..b",
		"v1.02.3", "vv1.2.3", "1.2.3-a+b+c", "999999999999999999999.0.0", "1.2.3-é", "1.2.3+a-b", "01.2.3", "1.2.3-1-") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := version.Parse(s)
		theirs, theirErr := semver.NewVersion(s)
		if (err == nil) != (theirErr == nil) || err == nil && v.Canonical() != theirs.String() {
			t.Errorf("Parse(%q) = %q, %v; semver reads %q, %v", s, v, err, theirs, theirErr)
		}
		if err != nil {
			return
		}
		if len(s) > version.MaxLength {
			t.Errorf("a version of %d bytes was read", len(s))
		}
		if again, err := version.Parse(v.String()); err != nil || version.Compare(v, again) != 0 {
			t.Errorf("Parse(%q) = %q, %v", v, again, err)
		}
		if canonical := parse(t, v.Canonical()); !version.SameVersion(v, canonical) || version.Compare(v, canonical) > 0 {
			t.Errorf("%q and its canonical spelling %q are not one version in order", v, canonical)
		}
	})
}

func FuzzParseConstraint(f *testing.F) {
	for _, s := range []string{"", "*", "1.x", "^1.2", "~1.2.3", ">=1, <2", "1 - 3", "1 || 3", ">=1.2.0-0", "latest"} {
		f.Add(s, "1.2.3-rc.1")
	}
	f.Fuzz(func(t *testing.T, s, in string) {
		c, err := version.ParseConstraint(s)
		if err != nil {
			return
		}
		again, err := version.ParseConstraint(c.String())
		if err != nil {
			t.Fatalf("%q does not parse again: %v", s, err)
		}
		v, err := version.Parse(in)
		if err != nil {
			return
		}
		if c.Check(v) != again.Check(v) {
			t.Errorf("%q does not print as what it is", s)
		}
		if _, err := version.Parse(s); err == nil && s == in && !version.IsExact(s) {
			t.Errorf("%q is a version and not exact", s)
		}
	})
}
