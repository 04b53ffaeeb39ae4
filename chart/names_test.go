package chart

import "testing"

// Unpack asks this on Windows alone; what it answers is the same everywhere.
func TestWindowsProblem(t *testing.T) {
	for name, refused := range map[string]bool{
		"values.yaml": false, "templates/a b.yaml": false, ".helmignore": false, "a.b/c": false,
		"values.yaml:stream": true, "a/b:c": true, "c:": true, "what?": true, "a*": true, "a|b": true, "<a>": true, `"a"`: true,
		"Chart.yaml.": true, "Chart.yaml ": true, "a./b": true, "a /b": true, "...": true,
	} {
		if problem := windowsProblem(name); (problem != "") != refused {
			t.Errorf("%q: %q, want it refused: %v", name, problem, refused)
		}
	}
}

func TestFold(t *testing.T) {
	for _, same := range [][2]string{{"README", "readme"}, {"\u212a", "k"}, {"ſ", "S"}, {"Ä", "ä"}, {"Σ", "ς"}, {"σ", "ς"}, {"Ω", "Ω"}} {
		if fold(same[0]) != fold(same[1]) {
			t.Errorf("%q and %q are told apart", same[0], same[1])
		}
	}
	// The second is decomposed. The Turkish dotless i is a letter of its own.
	for _, other := range [][2]string{{"é", "e\u0301"}, {"a", "b"}, {"ı", "i"}, {"ß", "ss"}} {
		if fold(other[0]) == fold(other[1]) {
			t.Errorf("%q and %q are one", other[0], other[1])
		}
	}
}
