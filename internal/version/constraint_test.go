package version_test

import (
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/internal/version"
)

func TestConstraint(t *testing.T) {
	for _, tc := range []struct{ constraint, in, out string }{
		{"", "1.2.3 0.0.0 v3 1.2.3+b", "1.2.3-rc.1"},
		{"*", "1.2.3", "1.2.3-rc.1"},
		{" ", "1.2.3", "1.2.3-rc.1"},
		{"1.x", "1.0.0 1.9.9 v1.2", "2.0.0 0.9.0 1.2.3-rc.1"},
		{"^1.2", "1.2.0 1.9.0", "1.1.9 2.0.0"},
		{"^0.2", "0.2.0 0.2.9", "0.3.0"},
		{"~1.2.3", "1.2.3 1.2.9", "1.3.0"},
		{">=1, <2", "1.0.0 1.9.0", "2.0.0 0.9.0"},
		{">=1 <2", "1.0.0 1.9.0", "2.0.0"},
		{"1 - 3", "1.0.0 2.0.0 3.9.0", "4.0.0"},
		{"1 || 3", "1.5.0 3.5.0", "2.0.0"},
		{"!=1.2.3", "1.2.4", "1.2.3"},
		{"1.2.3", "1.2.3 v1.2.3 1.2.3+b", "1.2.4 1.2.3-rc.1"},
		{"1.2", "1.2.0 1.2.9", "1.3.0"},
		{">=1.2.0-0", "1.2.0-rc.1 1.2.0 1.3.0-rc.1", "1.1.0"},
	} {
		t.Run(tc.constraint, func(t *testing.T) {
			c, err := version.ParseConstraint(tc.constraint)
			if err != nil {
				t.Fatal(err)
			}
			if c.String() != tc.constraint {
				t.Errorf("String() = %q, want %q", c, tc.constraint)
			}
			for s := range strings.FieldsSeq(tc.in) {
				if !c.Check(parse(t, s)) {
					t.Errorf("%s is not in %q", s, c)
				}
			}
			for s := range strings.FieldsSeq(tc.out) {
				if c.Check(parse(t, s)) {
					t.Errorf("%s is in %q", s, c)
				}
			}
		})
	}
}

func TestConstraintWithPrereleases(t *testing.T) {
	for _, tc := range []struct{ constraint, v string }{
		{"", "1.2.3-rc.1"}, {"1.x", "1.2.3-rc.1"}, {"^1.2", "1.3.0-0"}, {">=1, <2", "1.5.0-a"},
	} {
		c, err := version.ParseConstraint(tc.constraint)
		if err != nil {
			t.Fatal(err)
		}
		with := c.WithPrereleases()
		if !with.Check(parse(t, tc.v)) {
			t.Errorf("%s is not in %q with pre-releases", tc.v, tc.constraint)
		}
		if c.Check(parse(t, tc.v)) {
			t.Errorf("%s is in %q: WithPrereleases has changed its receiver", tc.v, tc.constraint)
		}
	}
}

func TestZeroConstraint(t *testing.T) {
	var c version.Constraint
	if !c.Check(parse(t, "1.2.3")) || c.Check(parse(t, "1.2.3-rc.1")) || c.Check(version.Version{}) {
		t.Error("the zero Constraint is not every stable version")
	}
	if !c.WithPrereleases().Check(parse(t, "1.2.3-rc.1")) {
		t.Error("the zero Constraint with pre-releases has none")
	}
}

func TestParseConstraintRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"word":           "latest",
		"double equals":  "==1",
		"half a range":   ">=",
		"four numbers":   "1.2.3.4",
		"underscore":     "1.2.3_b",
		"too long":       strings.Repeat("1 || ", 200) + "1",
		"too many parts": strings.Repeat("1||", 40) + "1",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := version.ParseConstraint(in); err == nil {
				t.Errorf("ParseConstraint(%q) has no error", in)
			} else if len(err.Error()) > 400 {
				t.Errorf("the error repeats all of its input: %d bytes", len(err.Error()))
			}
		})
	}
}
