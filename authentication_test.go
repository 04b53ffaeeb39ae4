package portolan_test

import (
	"fmt"
	"go/ast"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// behaviours is how many docs/authentication.md numbers, and rules how many
// rules it has.
const (
	behaviours = 66
	rules      = 25
)

var (
	numberedTest = regexp.MustCompile(`^(Test|Fuzz)(\d\d)[A-Z]\w*$`)
	behaviourRow = regexp.MustCompile(`^\| (\d\d) \| (.+) \| (.+) \|$`)
	ruleRow      = regexp.MustCompile(`^\| R(\d+) \| (.+) \| (.+) \|$`)
	testName     = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
)

// TestAuthenticationPage holds docs/authentication.md to the tests: each of
// its behaviours has the tests that carry its number, each of its rules has
// one, and no numbered test is left out.
func TestAuthenticationPage(t *testing.T) {
	page, err := os.ReadFile("docs/authentication.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range checkAuthenticationPage(string(page), testsOf(parseHouse(t))) {
		t.Error(line)
	}
}

// testsOf lists the names of all tests and fuzz targets.
func testsOf(files []file) []string {
	var names []string
	for _, f := range files {
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if f.isTest() && ok && fn.Recv == nil && (strings.HasPrefix(fn.Name.Name, "Test") || strings.HasPrefix(fn.Name.Name, "Fuzz")) {
				names = append(names, fn.Name.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// checkAuthenticationPage returns one line for each thing that is wrong.
func checkAuthenticationPage(page string, tests []string) []string {
	var wrong []string
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	listed := map[string]bool{}
	found := map[string]int{}
	for line := range strings.SplitSeq(page, "\n") {
		kind, row := "", []string(nil)
		if row = behaviourRow.FindStringSubmatch(line); row != nil {
			kind = row[1]
		} else if row = ruleRow.FindStringSubmatch(line); row != nil {
			kind = "R" + row[1]
		} else {
			continue
		}
		found[kind]++
		names := testName.FindAllStringSubmatch(row[3], -1)
		if len(names) == 0 {
			complain("%s names no test", kind)
		}
		for _, name := range names {
			listed[name[1]] = true
			if !slices.Contains(tests, name[1]) {
				complain("%s: there is no test %s", kind, name[1])
			}
			if n := numberedTest.FindStringSubmatch(name[1]); kind[0] != 'R' && (n == nil || n[2] != kind) {
				complain("%s: %s does not carry its number", kind, name[1])
			}
		}
	}
	for i := 1; i <= behaviours; i++ {
		if kind := fmt.Sprintf("%02d", i); found[kind] != 1 {
			complain("behaviour %s is there %d times", kind, found[kind])
		}
	}
	for i := 1; i <= rules; i++ {
		if kind := fmt.Sprintf("R%d", i); found[kind] != 1 {
			complain("rule %s is there %d times", kind, found[kind])
		}
	}
	for _, name := range tests {
		if numberedTest.MatchString(name) && !listed[name] {
			complain("%s is not on the page", name)
		}
	}
	return wrong
}

// TestAuthenticationPageFindsWhatIsWrong shows that the check can fail.
func TestAuthenticationPageFindsWhatIsWrong(t *testing.T) {
	var page strings.Builder
	var tests []string
	for i := 1; i <= behaviours; i++ {
		name := fmt.Sprintf("Test%02dName", i)
		tests = append(tests, name)
		fmt.Fprintf(&page, "| %02d | what | `%s` |\n", i, name)
	}
	for i := 1; i <= rules; i++ {
		fmt.Fprintf(&page, "| R%d | what | `Test01Name` |\n", i)
	}
	good := page.String()
	if wrong := checkAuthenticationPage(good, tests); len(wrong) > 0 {
		t.Fatalf("a good page: %q", wrong)
	}
	for _, tc := range []struct {
		name  string
		page  string
		tests []string
		want  string
	}{
		{"a behaviour is missing", strings.Replace(good, "| 07 | what", "7 what", 1), tests, "behaviour 07 is there 0 times"},
		{"a rule is there twice", good + "| R3 | what | `Test01Name` |\n", tests, "rule R3 is there 2 times"},
		{"no such test", strings.Replace(good, "| R9 | what | `Test01Name`", "| R9 | what | `Test01Other`", 1), tests, "no test Test01Other"},
		{"another number", strings.Replace(good, "`Test08Name`", "`Test09Name`", 1), tests, "does not carry its number"},
		{"a test is left out", good, append(tests, "Test12Other"), "Test12Other is not on the page"},
		{"no test", strings.Replace(good, "| R9 | what | `Test01Name`", "| R9 | what | none", 1), tests, "R9 names no test"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wrong := checkAuthenticationPage(tc.page, tc.tests)
			if !slices.ContainsFunc(wrong, func(line string) bool { return strings.Contains(line, tc.want) }) {
				t.Errorf("complaints %q, want %q", wrong, tc.want)
			}
		})
	}
}
