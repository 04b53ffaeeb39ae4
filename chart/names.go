package chart

import (
	"fmt"
	"hash/maphash"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// chartFile is the one file that makes a directory a chart.
const chartFile = "Chart.yaml"

// nameError says what is wrong with a path; whoever knows the archive or the
// directory adds where it stands.
type nameError struct {
	problem string
	kind    error // the sentinel
}

func (e *nameError) Error() string { return e.problem }

// driveName is what is absolute on Windows only, as Helm refuses it.
var driveName = regexp.MustCompile(`^[a-zA-Z]:(/|$)`)

// splitName takes an entry's name apart: the directory that holds the chart,
// and the clean path below, which is empty for that directory itself. A name
// that uses backslashes throughout was written on Windows.
func splitName(raw string, dir bool) (top, name string, err error) {
	slashed := raw
	if strings.Contains(raw, `\`) {
		if strings.Contains(raw, "/") {
			return "", "", &nameError{`has both / and \ in its name`, ErrUnsafeArchive}
		}
		slashed = strings.ReplaceAll(raw, `\`, "/")
	}
	top, rest, below := strings.Cut(strings.TrimSuffix(slashed, "/"), "/")
	switch {
	case strings.HasPrefix(slashed, "/"):
		return "", "", &nameError{"has an absolute path", ErrUnsafeArchive}
	case driveName.MatchString(slashed), driveName.MatchString(rest):
		return "", "", &nameError{"has a path with a drive letter", ErrUnsafeArchive}
	}
	if !dir && strings.HasSuffix(slashed, "/") && strings.Count(slashed, "/") > 1 {
		return "", "", &nameError{"is a file whose name ends with a slash, which some readers take for a directory", ErrUnsafeArchive}
	}
	for part := range strings.SplitSeq(slashed, "/") {
		if part == ".." {
			return "", "", &nameError{"leads out of its directory", ErrUnsafeArchive}
		}
	}
	if top == "" || top == "." {
		return "", "", &nameError{"does not begin with the name of the chart's directory", ErrInvalidArchive}
	}
	if name = path.Clean(rest); !below || name == "." {
		name = ""
	}
	if strings.HasPrefix(name, "/") {
		return "", "", &nameError{"has an absolute path", ErrUnsafeArchive}
	}
	if name == "" && !dir {
		return "", "", &nameError{"is not inside the chart's directory", ErrInvalidArchive}
	}
	return top, name, nil
}

// helmName is the name under which Helm reads an entry: the first element is
// dropped whatever it is, and one backslash makes all slashes ordinary.
func helmName(raw string) (string, error) {
	delimiter := "/"
	if strings.Contains(raw, `\`) {
		delimiter = `\`
	}
	top, rest, _ := strings.Cut(raw, delimiter)
	if top == chartFile {
		return "", &nameError{"is not inside the chart's directory", ErrInvalidArchive}
	}
	rest = strings.ReplaceAll(rest, delimiter, "/")
	if strings.HasPrefix(rest, "/") {
		return "", &nameError{"has an absolute path", ErrUnsafeArchive}
	}
	name := path.Clean(rest)
	if name == "." {
		return "", &nameError{"is not inside the chart's directory", ErrInvalidArchive}
	}
	if driveName.MatchString(name) {
		return "", &nameError{"has a path with a drive letter", ErrUnsafeArchive}
	}
	return name, nil
}

// checkName holds a clean path below the root against what every reader and
// file system takes.
func checkName(name string, limits Limits) error {
	switch {
	case strings.HasPrefix(name, ".."):
		// Helm refuses any name that begins so, "..data" too.
		return &nameError{"begins with two dots, which Helm takes for a path out of the chart", ErrUnsafeArchive}
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) || !utf8.ValidString(name):
		return &nameError{"has characters in its name that cannot be printed", ErrUnsafeArchive}
	case driveName.MatchString(name):
		return &nameError{"has a path with a drive letter", ErrUnsafeArchive}
	case len(name) > maxName:
		return &nameError{fmt.Sprintf("has a path of more than %d bytes", maxName), ErrTooLarge}
	case strings.Count(name, "/") >= limits.Depth:
		return &nameError{fmt.Sprintf("lies deeper than %d directories", limits.Depth), ErrTooLarge}
	}
	return nil
}

// nameSet finds paths that are one on some file system: equal ones, ones that
// differ in case alone, a file where another path has a directory. It keeps
// hashes instead of paths, so that its memory depends on their number only.
// The seed is secret: nobody can make two paths collide on purpose, and among
// 10,000 paths of 32 directories chance does so once in 10⁸ archives.
type nameSet struct {
	seed  maphash.Seed
	paths map[uint64]pathNode // by the hash of the folded path
}

type pathNode struct {
	spelling uint64
	dir      bool
}

func newNameSet() *nameSet {
	return &nameSet{seed: maphash.MakeSeed(), paths: make(map[uint64]pathNode)}
}

func (s *nameSet) add(name string, dir bool) error {
	for i := 0; i < len(name); i++ {
		if name[i] == '/' {
			if err := s.addOne(name[:i], true, false); err != nil {
				return err
			}
		}
	}
	return s.addOne(name, dir, !dir)
}

func (s *nameSet) addOne(p string, dir, fresh bool) error {
	key := maphash.String(s.seed, fold(p))
	node := pathNode{maphash.String(s.seed, p), dir}
	old, found := s.paths[key]
	switch {
	case !found:
		s.paths[key] = node
		return nil
	case old.spelling != node.spelling:
		return &nameError{"has a path (" + quoted(p) + ") that differs from another's in upper and lower case alone", ErrUnsafeArchive}
	case old.dir != dir:
		return &nameError{"makes " + quoted(p) + " both a file and a directory", ErrUnsafeArchive}
	case fresh:
		return &nameError{"is there twice", ErrUnsafeArchive}
	}
	return nil
}

// fold makes texts equal that differ in upper and lower case alone, as file
// systems compare names (Unicode simple case folding). Unicode's normal forms
// stay apart: where a file system holds two of them for one name, it is Unpack
// that notices.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			return r
		}
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		if 'A' <= least && least <= 'Z' { // the Kelvin sign, the long s
			least += 'a' - 'A'
		}
		return least
	}, s)
}
