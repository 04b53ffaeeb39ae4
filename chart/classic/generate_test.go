package classic

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// lookAlikes are texts that look like parts of an index.
var lookAlikes = []string{
	"", " ", "plain", "ends with a colon:", "- not an element", "# no comment", "entries:", "a: b", "null", "yes", "1.10", "~",
	"  fake:\n  - name: fake\n    version: 1.0.0\n", "line\n\nline\n", "\n  fake:\n", "tab\tinside", "\ttab\n\tfirst\n", "two\n  fake:\n    deeper\n",
	"it's \"quoted\"", "\"", "'", "back\\slash", "&anchor", "*alias", "!tag", "{flow: x}", "[1, 2]", "|", ">-", "---", "...\n", "%YAML", "@x", "`x`",
	"Ünïcödé – “quotes” … \u2028 next", "🚢", "\r\n", "a\rb", "\x01", strings.Repeat("word ", 60), strings.Repeat("word \"quoted\" 'so' it: goes # on ", 30),
	strings.Repeat("line of text\n  fake:\n", 20), "  indented first line\nthen not", "trailing space \nx ", strings.Repeat("x", 300), "2024-01-01", "0x10", "key: |", "-",
}

// generate makes an index as Helm writes it, of odd texts and names.
func generate(r *rand.Rand) map[string]any {
	text := func() string { return lookAlikes[r.IntN(len(lookAlikes))] }
	some := func() map[string]string {
		m := map[string]string{}
		for range r.IntN(4) {
			m[text()] = text()
		}
		return m
	}
	entries := map[string]any{}
	for range r.IntN(6) {
		name := []string{"nginx", "a", "1password", "1.0", "true", "null", "y", "0x10", "v-1", "Upper", "with space", "quote\"d", "it's", "k:v", "#x", "-", "~", "entries", "ключ"}[r.IntN(19)]
		list := []any{}
		for i := range r.IntN(4) {
			e := map[string]any{
				"apiVersion": "v2", "name": name, "version": fmt.Sprintf("1.%d.0", i), "urls": []string{text(), "https://x/y.tgz"}, "created": "2024-01-02T03:04:05.678Z",
				"digest": strings.Repeat("ab", 32), "description": text(), "appVersion": text(), "annotations": some(), "keywords": []string{text(), text()},
				"maintainers": []any{map[string]any{"name": text(), "email": text()}}, "sources": []string{},
				"dependencies": []any{map[string]any{"name": "dep", "version": text(), "repository": text(), "import-values": []any{text(), map[string]any{"child": text(), "parent": "x"}}}},
			}
			switch r.IntN(12) {
			case 0:
				delete(e, "version")
			case 1:
				e["type"] = text()
			case 2:
				list = append(list, nil)
			case 3:
				e = map[string]any{}
			}
			list = append(list, e)
		}
		entries[name] = list
	}
	index := map[string]any{"apiVersion": "v1", "generated": "2024-01-02T03:04:05Z", "entries": entries}
	if r.IntN(2) == 0 {
		index["annotations"] = some()
		index["serverInfo"] = map[string]any{"contextPath": text()}
		index["publicKeys"] = []string{text()}
	}
	return index
}
