package version_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/internal/version"
)

func Example() {
	var versions []version.Version
	for _, s := range []string{"1.2", "1.10.0", "v1.2.0", "1.10.0-rc.1"} {
		v, err := version.Parse(s)
		if err != nil {
			fmt.Println(err)
			return
		}
		versions = append(versions, v)
	}
	slices.SortFunc(versions, func(a, b version.Version) int { return version.Compare(b, a) })
	fmt.Println(versions)
	// Output: [1.10.0 1.10.0-rc.1 1.2 v1.2.0]
}

func TestParse(t *testing.T) {
	for _, tc := range []struct{ name, in, canonical string }{
		{"full", "1.2.3", "1.2.3"},
		{"leading v", "v1.2.3", "1.2.3"},
		{"no patch", "1.2", "1.2.0"},
		{"major alone", "1", "1.0.0"},
		{"pre-release", "1.2.3-rc.1", "1.2.3-rc.1"},
		{"build", "1.2.3+b.5", "1.2.3+b.5"},
		{"pre-release and build", "v1.2-rc.1+b.5", "1.2.0-rc.1+b.5"},
		{"build with a hyphen", "1.2.3+b-5", "1.2.3+b-5"},
		{"leading zeros of a date", "2024.01.05", "2024.1.5"},
		{"longest", "1.2.3+" + strings.Repeat("a", version.MaxLength-6), "1.2.3+" + strings.Repeat("a", version.MaxLength-6)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, err := version.Parse(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if v.String() != tc.in || v.Canonical() != tc.canonical {
				t.Errorf("Parse(%q) = %s, canonical %s; want %s", tc.in, v, v.Canonical(), tc.canonical)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"empty":              "",
		"word":               "latest",
		"range":              "1.x",
		"caret":              "^1",
		"four numbers":       "1.2.3.4",
		"underscore":         "1.2.3_b",
		"space":              " 1.2.3",
		"newline":            "1.2.3\n",
		"upper-case v":       "V1.2.3",
		"number too large":   "1.2.99999999999999999999",
		"zero in identifier": "1.2.3-01",
		"empty identifier":   "1.2.3-a..b",
		"digest tag":         "sha256-0123",
		"too long":           "1.2.3+" + strings.Repeat("a", version.MaxLength),
	} {
		t.Run(name, func(t *testing.T) {
			v, err := version.Parse(in)
			if err == nil {
				t.Fatalf("Parse(%q) = %s, want an error", in, v.Canonical())
			}
			if !v.IsZero() || len(err.Error()) > version.MaxLength+100 {
				t.Errorf("Parse(%q) = %v, %v", in, v, err)
			}
			if version.IsExact(in) {
				t.Errorf("IsExact(%q) is true", in)
			}
		})
	}
}

func TestSeries(t *testing.T) {
	for _, tc := range []struct {
		in, series string
		short      bool
	}{
		{"1.2.9", "1.2", false}, {"v1.2", "1.2", true}, {"1", "1.0", true}, {"1.2-rc.1.2", "1.2", true},
		{"1.2+b.1.2", "1.2", true}, {"v1.2.3-rc.1", "1.2", false}, {"2024.01.05", "2024.1", false},
	} {
		if v := parse(t, tc.in); v.Series() != tc.series || v.IsShort() != tc.short {
			t.Errorf("%s: series %s, short %v", tc.in, v.Series(), v.IsShort())
		}
	}
	if zero := (version.Version{}); zero.Series() != "" {
		t.Errorf("the zero Version is of the series %q", zero.Series())
	}
}

func TestIsExact(t *testing.T) {
	for in, want := range map[string]bool{
		"1.2.3": true, "v1.2": true, "1": true, "1.2.3-rc.1": true, "1.2.3+b": true,
		"": false, "*": false, "x": false, "1.x": false, "^1": false, "~1.2": false,
		">=1, <2": false, "=1.2.3": false, "1 || 2": false, "1 - 2": false, "latest": false,
	} {
		if got := version.IsExact(in); got != want {
			t.Errorf("IsExact(%q) = %v, want %v", in, got, want)
		}
	}
}

func TestSameVersion(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"v1.2.3", "1.2.3", true},
		{"1.2", "1.2.0", true},
		{"v1", "1.0.0", true},
		{"1.2-rc.1", "1.2.0-rc.1", true},
		{"2024.01.05", "2024.1.5", true},
		{"1.2.3", "1.2.4", false},
		{"1.2.3", "1.2.3-0", false},
		{"1.2.3+a", "1.2.3", false},
		{"1.2.3+a", "1.2.3+b", false},
		{"1.2.3+a.1", "1.2.3+a.01", false},
	} {
		if got := version.SameVersion(parse(t, tc.a), parse(t, tc.b)); got != tc.want {
			t.Errorf("SameVersion(%s, %s) = %v, want %v", tc.a, tc.b, got, tc.want)
		}
	}
}

// ascending lists versions from the lowest to the highest, one step each.
var ascending = []string{
	"0.0.0",
	"1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-99999999999999999999998", "1.0.0-99999999999999999999999",
	"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
	"v1.0.0", "1.0", "1", "1.0.0", "1.0+b", "1.0.0+b", "1.0.0+b.2", "1.0.0+b.10", "1.0.0+b.10.0", "1.0.0+b.x",
	"1.2.0", "1.10.0", "2.0.0-0", "2.0.0",
}

func TestCompareOrder(t *testing.T) {
	for i, a := range ascending {
		for j, b := range ascending {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := version.Compare(parse(t, a), parse(t, b)); got != want {
				t.Errorf("Compare(%s, %s) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestZeroComesFirst(t *testing.T) {
	var zero version.Version
	if got := version.Compare(zero, parse(t, "0.0.0-0")); got != -1 {
		t.Errorf("Compare(zero, 0.0.0-0) = %d, want -1", got)
	}
	if got := version.Compare(zero, zero); got != 0 || !zero.IsZero() || zero.String() != "" || zero.IsPrerelease() {
		t.Errorf("the zero Version is %q and compares to itself as %d", zero, got)
	}
}

// TestCompareIsATotalOrder holds Compare to its promise on random versions
// that are close to each other: the sign turns with the arguments, only equal
// spellings are equal, and no input order changes a sorted list.
func TestCompareIsATotalOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		a, b, c := random(t, rnd), random(t, rnd), random(t, rnd)
		ab, ba := version.Compare(a, b), version.Compare(b, a)
		if ab != -ba || (ab == 0) != (a.String() == b.String()) {
			t.Fatalf("Compare(%s, %s) = %d, the other way round %d", a, b, ab, ba)
		}
		if bc := version.Compare(b, c); ab <= 0 && bc <= 0 && version.Compare(a, c) > 0 {
			t.Fatalf("%s, %s, %s: not transitive", a, b, c)
		}
	}
	list := make([]version.Version, 200)
	for i := range list {
		list[i] = random(t, rnd)
	}
	var want []string
	for range 20 {
		rnd.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		sorted := slices.SortedFunc(slices.Values(list), version.Compare)
		got := make([]string, len(sorted))
		for i, v := range sorted {
			got[i] = v.String()
		}
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("the order depends on the input (-first +now):\n%s", diff)
		}
	}
}

func random(t *testing.T, rnd *rand.Rand) version.Version {
	t.Helper()
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	identifiers := func() string {
		n := rnd.IntN(3) + 1
		parts := make([]string, n)
		for i := range parts {
			parts[i] = pick("0", "1", "2", "10", "99999999999999999999", "a", "b", "a-1", "-")
		}
		return strings.Join(parts, ".")
	}
	s := pick("", "v") + pick("0", "1", "01", "10") + pick("", ".0", ".1", ".1.0", ".1.2", ".0.0", ".00.0")
	if rnd.IntN(2) == 0 {
		s += "-" + identifiers()
	}
	if rnd.IntN(2) == 0 {
		s += "+" + identifiers() + pick("", ".01", ".001")
	}
	return parse(t, s)
}

func parse(t *testing.T, s string) version.Version {
	t.Helper()
	v, err := version.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
