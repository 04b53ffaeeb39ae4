package classic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// table tells where in an index the entries of each chart are.
type table struct {
	names []string // as the index lists them
	parts map[string]part
}

// part is a section of a file, in bytes.
type part struct{ from, to int64 }

// scan makes the table of an index that is laid out as Helm does, in one pass
// and without decoding an entry; otherwise the error is errNotBlock. It
// matches ErrInvalidIndex for what is no index.
func scan(ctx context.Context, r io.Reader) (*table, error) {
	s := &scanner{table: table{parts: map[string]part{}}, item: -1, child: -1}
	in := newLineReader(r, maxEntry)
	for n := 0; ; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		line, err := in.next()
		if err == io.EOF {
			return s.finish(in.at)
		}
		if errors.Is(err, errLongLine) {
			err = errNotBlock
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			line = bytes.TrimPrefix(line, utf8BOM)
		}
		t, err := s.lines.read(line)
		if err == nil && t != nil {
			err = s.take(t, in.at-int64(len(line)), in.at)
		}
		if err != nil {
			return nil, err
		}
	}
}

var utf8BOM = []byte{0xEF, 0xBB, 0xBF}

// scanner follows the outer three levels: the index, its charts, their
// entries.
type scanner struct {
	lines      lines
	table      table
	seen       map[string]bool // top-level keys
	apiVersion bool
	entries    bool   // the lines belong to the key "entries"
	child      int    // the column of the charts' names; -1: not known yet
	item       int    // the column of the dashes of the chart's entries; -1: not known
	name       string // of the chart that the lines belong to
	empty      bool   // it has no entries, and says so
	body       int64  // where its entries begin; 0: there is none
}

// take places a token of the line that lies at from and ends at to.
func (s *scanner) take(t *token, from, to int64) error {
	switch {
	case t.odd && (t.column == 0 || t.column == s.child || s.entries && s.child < 0):
		return errNotBlock
	case t.column == 0 && t.key != nil && !t.dash:
		return s.top(t, from)
	case !s.entries:
		return nil
	case s.child < 0 && t.column > 0:
		s.child = t.column
	}
	switch {
	case t.column == s.child && !t.dash:
		return s.chart(t, from, to)
	case s.body == 0 || s.empty || t.column < s.child:
		return errNotBlock
	case s.item < 0 && t.dash:
		s.item = t.column
	}
	if s.item < 0 || t.column < s.item || t.column == s.item && !t.dash {
		return errNotBlock
	}
	return nil
}

// top is a key of the index itself.
func (s *scanner) top(t *token, from int64) error {
	s.endChart(from)
	key, err := keyName(t.key)
	if err != nil {
		return err
	}
	folded := strings.ToLower(key) // Helm reads keys in any case; two that differ in it are a riddle
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	if s.seen[folded] || len(s.seen) > 100 {
		return errNotBlock
	}
	s.seen[folded] = true
	s.entries = folded == "entries"
	switch folded {
	case "entries":
		if key != "entries" || !saysNothing(t.value) && string(trimComment(t.value)) != "{}" {
			return errNotBlock
		}
	case "apiversion":
		value := trimComment(t.value)
		s.apiVersion = !saysNothing(value) && string(value) != `""` && string(value) != "''"
	}
	return nil
}

// chart is the name of a chart, below which its entries are.
func (s *scanner) chart(t *token, from, to int64) error {
	s.endChart(from)
	name, err := keyName(t.key)
	if err != nil {
		return err
	}
	if _, twice := s.table.parts[name]; twice {
		return errNotBlock // whoever reads it whole says what is wrong
	}
	s.empty = string(trimComment(t.value)) == "[]"
	if !s.empty && !saysNothing(t.value) || len(name) > maxName {
		return errNotBlock
	}
	if len(s.table.names) >= maxCharts {
		return fmt.Errorf("%w: more than %d charts", ErrInvalidIndex, maxCharts)
	}
	s.name, s.body, s.item = name, to, -1
	s.table.names = append(s.table.names, name)
	s.table.parts[name] = part{to, to}
	return nil
}

func (s *scanner) endChart(at int64) {
	if s.body > 0 {
		s.table.parts[s.name] = part{s.body, at}
	}
	s.body = 0
}

func (s *scanner) finish(at int64) (*table, error) {
	if s.lines.open == doubleText || s.lines.open == singleText {
		return nil, errNotBlock
	}
	s.endChart(at)
	if !s.apiVersion {
		return nil, fmt.Errorf("%w: it has no apiVersion", ErrInvalidIndex)
	}
	return &s.table, nil
}
