package chart

import (
	"bytes"
	"fmt"
	"path"
	"strings"
)

// ignoreFile lists what packaging leaves out.
const ignoreFile = ".helmignore"

// ignoreRules are the patterns of a .helmignore file as Helm reads them
// (helm/helm pkg/ignore), which is not as git does: the first match decides,
// "**" is an error, and "!x" leaves out all that is not x.
type ignoreRules []ignoreRule

type ignoreRule struct {
	pattern  string
	negate   bool
	dirOnly  bool
	baseOnly bool // a pattern without a slash is held against the last element
}

// parseIgnore reads .helmignore, and adds the rule that Helm has built in:
// dot files in templates/ are no templates. A malformed pattern is an error,
// always; Helm's matcher finds some of them only when it comes that far, and
// else takes them for patterns that match nothing.
func parseIgnore(data []byte) (ignoreRules, error) {
	var rules ignoreRules
	lines := strings.Split(string(bytes.TrimPrefix(data, utf8BOM)), "\n")
	for i, line := range append(lines, "templates/.?*") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.Contains(line, "**") {
			return nil, fmt.Errorf("line %d: %s: ** is not supported", i+1, quoted(line))
		}
		if _, err := path.Match(line, "abc"); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", i+1, quoted(line), err)
		}
		rules = append(rules, newIgnoreRule(line))
	}
	return rules, nil
}

func newIgnoreRule(line string) ignoreRule {
	var r ignoreRule
	line, r.negate = strings.CutPrefix(line, "!")
	line, r.dirOnly = strings.CutSuffix(line, "/")
	anchored := strings.HasPrefix(line, "/")
	r.pattern = strings.TrimPrefix(line, "/")
	r.baseOnly = !anchored && !strings.Contains(line, "/")
	return r
}

// ignore tells whether a clean path below the chart's root is left out; if it
// is a directory, so is all that it holds.
func (rules ignoreRules) ignore(name string, dir bool) bool {
	if name == "" || name == "." {
		return false
	}
	for _, r := range rules {
		hit := (dir || !r.dirOnly) && r.match(name)
		if hit != r.negate {
			return true
		}
	}
	return false
}

func (r ignoreRule) match(name string) bool {
	if r.baseOnly {
		name = path.Base(name)
	}
	ok, err := path.Match(r.pattern, name)
	return ok && err == nil
}
