package classic

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	goyaml "go.yaml.in/yaml/v2"

	"github.com/portolan-oci/portolan/internal/limit"
)

// rewrite reads an index in any layout, whole, and writes it as Helm would. It
// matches ErrInvalidIndex for what is none, and for one of more than most bytes.
func rewrite(ctx context.Context, r io.Reader, w io.Writer, most int64) error {
	data, err := limit.ReadAll(r, max(most, 0))
	if errors.Is(err, limit.ErrExceeded) {
		return fmt.Errorf("%w: it is %v, and has more than %d bytes", ErrInvalidIndex, errNotBlock, max(most, 0))
	}
	if err != nil {
		return err
	}
	read := readYAML
	if json.Valid(data) { // what Helm does
		read = readJSON
	}
	charts, err := read(data)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrInvalidIndex, shown(err.Error()))
	}
	out := bufio.NewWriter(w)
	fmt.Fprint(out, "apiVersion: v1\nentries:\n")
	var written int64
	for _, c := range charts {
		if err := ctx.Err(); err != nil {
			return err
		}
		if written += weight(c.Value, maxWritten-written); written > maxWritten {
			return fmt.Errorf("%w: its aliases expand it to more than %d bytes", ErrInvalidIndex, maxWritten)
		}
		text, err := marshalChart(c)
		if err == nil && hasOddBreak(text) {
			text, err = marshalChart(goyaml.MapItem{Key: unbroken(c.Key), Value: unbroken(c.Value)})
		}
		if err != nil {
			return fmt.Errorf("%w: chart %s: %s", ErrInvalidIndex, quoted(fmt.Sprint(c.Key)), shown(err.Error()))
		}
		if _, err := out.Write(bytes.TrimPrefix(text, []byte("entries:\n"))); err != nil {
			return err
		}
	}
	return out.Flush()
}

func marshalChart(c goyaml.MapItem) ([]byte, error) {
	return goyaml.Marshal(goyaml.MapSlice{{Key: "entries", Value: goyaml.MapSlice{c}}})
}

// lineSeparators are what ends a line in YAML 1.1 alone. The library reads and
// writes them as they are, in the middle of a text.
var lineSeparators = strings.NewReplacer("\u2028", " ", "\u2029", " ")

// unbroken makes them blanks, in place, as Helm does with the description when
// it loads an entry: one text pasted from a web page shall not make the whole
// index unreadable.
func unbroken(value any) any {
	switch v := value.(type) {
	case string:
		return lineSeparators.Replace(v)
	case []any:
		for i, e := range v {
			v[i] = unbroken(e)
		}
	case map[any]any:
		for k, e := range v {
			if key := unbroken(k); key != k {
				delete(v, k)
				k = key
			}
			v[k] = unbroken(e)
		}
	case map[string]any:
		for k, e := range v {
			if key := lineSeparators.Replace(k); key != k {
				delete(v, k)
				k = key
			}
			v[k] = unbroken(e)
		}
	}
	return value
}

var (
	errNoAPIVersion = errors.New("it has no apiVersion")
	errNotList      = errors.New("its entries are no mapping of lists")
)

// readYAML returns the charts with their entries, by name. A key that comes
// twice anywhere is an error, as it is for Helm.
func readYAML(data []byte) (goyaml.MapSlice, error) {
	var root map[any]any
	if err := goyaml.UnmarshalStrict(data, &root); err != nil {
		return nil, err
	}
	var version, entries any
	seen := map[string]bool{}
	for k, value := range root {
		key, _ := k.(string)
		folded := strings.ToLower(key)
		if seen[folded] {
			return nil, fmt.Errorf("it has the key %s twice", quoted(key))
		}
		seen[folded] = true
		switch folded {
		case "apiversion":
			version = value
		case "entries":
			entries = value
		}
	}
	if version == nil || version == "" {
		return nil, errNoAPIVersion
	}
	byName, ok := entries.(map[any]any)
	if !ok && entries != nil {
		return nil, errNotList
	}
	var charts goyaml.MapSlice
	for name, list := range byName {
		if _, ok := list.([]any); !ok && list != nil {
			return nil, errNotList
		}
		charts = append(charts, goyaml.MapItem{Key: name, Value: list})
	}
	slices.SortFunc(charts, func(a, b goyaml.MapItem) int { return cmp.Compare(fmt.Sprint(a.Key), fmt.Sprint(b.Key)) })
	return charts, nil
}

// readJSON is readYAML for JSON, whose objects have no order.
func readJSON(data []byte) (goyaml.MapSlice, error) {
	var index struct {
		APIVersion string           `json:"apiVersion"`
		Entries    map[string][]any `json:"entries"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&index); err != nil {
		return nil, err
	}
	if index.APIVersion == "" {
		return nil, errNoAPIVersion
	}
	var charts goyaml.MapSlice
	for _, name := range slices.Sorted(maps.Keys(index.Entries)) {
		charts = append(charts, goyaml.MapItem{Key: name, Value: index.Entries[name]})
	}
	return charts, nil
}

// nodeWeight is some of what a mapping, a list or a text takes when written.
const nodeWeight = 4

// weight is how many bytes a value stands for, its aliases expanded, or more
// than most: one that was read from a kilobyte may stand for many gigabytes.
func weight(value any, most int64) int64 {
	sum := int64(nodeWeight)
	add := func(v any) bool {
		sum += weight(v, most-sum)
		return sum <= most
	}
	switch v := value.(type) {
	case string:
		sum += int64(len(v))
	case []any:
		for _, e := range v {
			if !add(e) {
				return sum
			}
		}
	case map[any]any:
		for k, e := range v {
			if !add(k) || !add(e) {
				return sum
			}
		}
	case map[string]any:
		for k, e := range v {
			if !add(k) || !add(e) {
				return sum
			}
		}
	}
	return sum
}
