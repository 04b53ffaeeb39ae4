package chart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// check reads what Helm reads when it packages: the metadata of the charts in
// charts/, and the files that would make the package unloadable.
func (d *directory) check(ctx context.Context) error {
	if err := d.nameCharts(ctx, &d.top); err != nil {
		return err
	}
	present := make(map[string]bool)
	for _, c := range d.top.within {
		present[c.name] = true
	}
	if missing := d.meta.missingDependencies(present); len(missing) > 0 {
		return dependencyError(d.path, missing)
	}
	return d.checkFiles(ctx, &d.top)
}

func (d *directory) checkFiles(ctx context.Context, n *node) error {
	for _, f := range n.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.checkFile(f); err != nil {
			return err
		}
	}
	for _, c := range n.within {
		if err := d.checkFiles(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// metadataOf reads the metadata of a chart in charts/.
func (d *directory) metadataOf(n *node) (*Metadata, error) {
	data, err := d.chartYAML(n)
	if err != nil {
		return nil, err
	}
	requirements, err := d.requirements(n)
	if err != nil {
		return nil, err
	}
	m, err := parseMetadata([][]byte{data}, requirements)
	if err == nil {
		err = m.Validate()
	}
	return m, atPath(path.Join(d.path, n.source), err)
}

func (d *directory) chartYAML(n *node) ([]byte, error) {
	if f := n.find(chartFile); f != nil {
		return d.read(*f)
	}
	problem := "has no Chart.yaml"
	if n.archive == "" {
		if _, err := d.root.Stat(path.Join(n.source, chartFile)); err == nil {
			problem = "leaves out its Chart.yaml by .helmignore"
		}
	}
	return nil, d.faultAt(n, "", problem, fmt.Errorf("%w: %w", ErrInvalidArchive, ErrNotChart))
}

func (d *directory) requirements(n *node) ([][]byte, error) {
	f := n.find(requirementsFile)
	if f == nil {
		return nil, nil
	}
	data, err := d.read(*f)
	return [][]byte{data}, err
}

// read reads a file that is kept in memory.
func (d *directory) read(f sourceFile) ([]byte, error) {
	if f.size > maxMetadata {
		return nil, d.faultAt(f.in, f.rel, fmt.Sprintf("has more than %d bytes", maxMetadata), ErrTooLarge)
	}
	r, err := d.open(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, f.size+1))
	if err == nil && int64(len(data)) != f.size {
		err = errChanged
	}
	return data, d.readFaultAt(f, err)
}

// readFaultAt names the file in an error of the file system.
func (d *directory) readFaultAt(f sourceFile, err error) error {
	if err == nil {
		return nil
	}
	problem := err
	var pe *fs.PathError
	if errors.As(err, &pe) {
		problem = pe.Err
	}
	return d.faultAt(f.in, f.rel, problem.Error(), err)
}

// checkFile refuses what Helm would not load or package: values and locks that
// are no YAML mappings, schemas that are no JSON.
func (d *directory) checkFile(f sourceFile) error {
	switch f.rel {
	case "values.yaml", "Chart.lock", "requirements.lock":
		if f.size > maxMetadata {
			return nil // too large to hold in memory only for this
		}
		data, err := d.read(f)
		if err != nil {
			return err
		}
		if err := checkMapping(data); err != nil {
			kind := ErrInvalidArchive
			if errors.Is(err, errExpanded) {
				kind = ErrTooLarge
			}
			return d.faultAt(f.in, f.rel, "cannot be read: "+err.Error(), kind)
		}
	case "values.schema.json":
		r, err := d.open(f)
		if err != nil {
			return err
		}
		defer r.Close()
		if err := checkJSON(r); err != nil {
			var pe *fs.PathError
			if errors.As(err, &pe) {
				return d.readFaultAt(f, err)
			}
			return d.faultAt(f.in, f.rel, "is not JSON: "+err.Error(), ErrInvalidArchive)
		}
	}
	return nil
}

// checkMapping wants a YAML mapping or nothing in each document.
func checkMapping(data []byte) error {
	text := "\n" + strings.TrimPrefix(string(data), string(utf8BOM))
	var r yamlReader
	for document := range strings.SplitSeq(text, "\n---") {
		var m map[string]any
		err := r.unmarshal([]byte(document), &m)
		if errors.Is(err, errExpanded) {
			return err
		}
		if err != nil {
			return errors.New(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "))
		}
	}
	return nil
}

// checkJSON reads one JSON text, in bounded memory.
func checkJSON(r io.Reader) error {
	head := make([]byte, len(utf8BOM))
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return err
	}
	if head = head[:n]; slices.Equal(head, utf8BOM) {
		head = nil
	}
	dec := json.NewDecoder(io.MultiReader(strings.NewReader(string(head)), r))
	dec.UseNumber()
	for depth, first := 0, true; depth > 0 || first; first = false {
		token, err := dec.Token()
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("goes on after its end")
	}
	return nil
}
