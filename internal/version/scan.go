package version

import "strings"

// parts are what a version consists of.
type parts struct {
	major, minor, patch uint64
	pre, metadata       string
	spelling            string
	short               bool
}

// maxDigits keep a number below 1<<64 without looking at it.
const maxDigits = 18

// scan reads the spelling that nearly all versions have: three numbers, after
// a v or not, and the rest as in semver 2.0.0. It costs a tenth of what a
// regular expression does, which matters where tags are listed by the
// thousand. All others, and all errors, are left to the library: false.
func scan(s string) (p parts, ok bool) {
	p.spelling = s
	rest := strings.TrimPrefix(s, "v")
	for i, n := range []*uint64{&p.major, &p.minor, &p.patch} {
		if i > 0 {
			if rest == "" || rest[0] != '.' {
				return p, false
			}
			rest = rest[1:]
		}
		digits := 0
		for ; digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9'; digits++ {
			*n = *n*10 + uint64(rest[digits]-'0')
		}
		if digits == 0 || digits > maxDigits {
			return p, false
		}
		rest = rest[digits:]
	}
	if plus := strings.IndexByte(rest, '+'); plus >= 0 {
		rest, p.metadata = rest[:plus], rest[plus+1:]
		if !areIdentifiers(p.metadata, false) {
			return p, false
		}
	}
	if rest == "" {
		return p, true
	}
	p.pre = rest[1:]
	return p, rest[0] == '-' && areIdentifiers(p.pre, true)
}

// areIdentifiers tells whether s is a list of them, separated by dots. In a
// pre-release, numbers have no leading zero.
func areIdentifiers(s string, plainNumbers bool) bool {
	for id := range strings.SplitSeq(s, ".") {
		if id == "" || plainNumbers && len(id) > 1 && id[0] == '0' && isNumber(id) {
			return false
		}
		for _, c := range []byte(id) {
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-') {
				return false
			}
		}
	}
	return true
}
