package hostfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/redact"
)

// Error is what is wrong with a file, and where.
type Error struct {
	// File is its name as it was given, Line counts from 1.
	File string
	Line int
	// Err is what is wrong, in one line.
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap gives what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// position is where something is said.
type position struct {
	file string
	line int
}

func (p position) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

func (p position) errorf(format string, args ...any) error {
	return &Error{File: p.file, Line: p.line, Err: fmt.Errorf(format, args...)}
}

// maxShown is how much of a file an error repeats, in bytes.
const maxShown = 300

// shown quotes what stands in a file, less a user's name and password, which
// should not be in it and may be.
func shown(s string) string {
	if i := strings.LastIndex(s, "@"); i >= 0 && !strings.HasPrefix(s[i:], "@sha") {
		s = "…" + s[i:]
	}
	return strconv.Quote(s[:min(len(s), maxShown)])
}

// maxFile is fifty times the longest of these files in any distribution, the
// short names of Fedora with some 20 KiB.
const maxFile = 1 << 20

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	b, err := limit.ReadAll(io.Reader(f), maxFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// document is a TOML file that has been decoded: it knows where things stand.
type document struct {
	file  string
	lines map[string]int // of paths as path makes them
	order []string       // those paths, as they first appear
}

// path names a place in a document: keys, and the numbers of elements.
func path(parts ...string) string { return strings.ToLower(strings.Join(parts, "\x00")) }

// decode reads data into a struct. What the struct does not know is an error.
func decode(file string, data []byte, into any) (*document, error) {
	d := &document{file: file, lines: map[string]int{}}
	decoder := toml.NewDecoder(strings.NewReader(string(data))).DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return nil, d.broken(err)
	}
	d.index(data)
	return d, nil
}

func (d *document) broken(err error) error {
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(strict.Errors) > 0 {
		line, _ := strict.Errors[0].Position()
		key := strict.Errors[0].Key()
		return position{d.file, max(line, 1)}.errorf("unknown key %s", shown(key[len(key)-1]))
	}
	line := 1
	if at, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ = at.Position()
	}
	return position{d.file, max(line, 1)}.errorf("%s", redact.Text(strings.TrimPrefix(err.Error(), "toml: "), maxShown))
}

// at is where a path stands, or the nearest thing around it that has a line.
func (d *document) at(parts ...string) position {
	for ; len(parts) > 0; parts = parts[:len(parts)-1] {
		if line, ok := d.lines[path(parts...)]; ok {
			return position{d.file, line}
		}
	}
	return position{d.file, 1}
}

// indexer walks over the syntax for the lines and the order of keys, which
// decoding loses. It does not judge: the decoder has.
type indexer struct {
	*document
	breaks []int          // offsets of line ends
	tables map[string]int // how many elements an array of tables has
}

func (d *document) index(data []byte) {
	x := indexer{document: d, tables: map[string]int{}}
	for i, c := range data {
		if c == '\n' {
			x.breaks = append(x.breaks, i)
		}
	}
	var p unstable.Parser
	p.Reset(data)
	var table []string
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = x.mark(nil, e.Key(), e.Kind == unstable.ArrayTable)
		case unstable.KeyValue:
			x.value(x.mark(table, e.Key(), false), e.Value())
		}
	}
}

// mark enters a dotted key below a table, and returns where it leads.
func (x *indexer) mark(table []string, keys unstable.Iterator, element bool) []string {
	at := slices.Clone(table)
	for keys.Next() {
		node := keys.Node()
		at = append(at, string(node.Data))
		line := 1 + sort.SearchInts(x.breaks, int(node.Raw.Offset))
		x.enter(at, line)
		name := path(at...)
		if element && keys.IsLast() {
			x.tables[name]++
		}
		if n := x.tables[name]; n > 0 {
			at = append(at, strconv.Itoa(n-1))
			x.enter(at, line)
		}
	}
	return at
}

func (x *indexer) enter(at []string, line int) {
	name := path(at...)
	if _, known := x.lines[name]; !known {
		x.lines[name] = line
		x.order = append(x.order, strings.Join(at, "\x00"))
	}
}

// value enters the keys of inline tables.
func (x *indexer) value(at []string, node *unstable.Node) {
	switch node.Kind {
	case unstable.InlineTable:
		for children := node.Children(); children.Next(); {
			child := children.Node()
			x.value(x.mark(at, child.Key(), false), child.Value())
		}
	case unstable.Array:
		i := 0
		for children := node.Children(); children.Next(); i++ {
			x.value(append(slices.Clone(at), strconv.Itoa(i)), children.Node())
		}
	}
}

// children are the keys of a table in the order of the file.
func (d *document) children(table string) []string {
	var names []string
	seen := map[string]bool{}
	for _, p := range d.order {
		parts := strings.Split(p, "\x00")
		if len(parts) > 1 && parts[0] == table && !seen[parts[1]] {
			seen[parts[1]] = true
			names = append(names, parts[1])
		}
	}
	return names
}
