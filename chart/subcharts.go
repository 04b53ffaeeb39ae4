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

// place says what a file is to Helm's loader by where it stands.
type place struct {
	chart   string // the directory of the chart that it belongs to; empty for the root
	archive bool   // it is itself a chart, packaged
	dropped bool   // charts/_x and charts/.x, which Helm does not read or package
}

// placeOf applies the rules for charts/ (helm/helm pkg/chart/v2/loader), at
// each level of nesting: its children are chart directories, .tgz files and
// .prov files; anything else makes the whole chart unloadable.
func placeOf(name string) (place, error) {
	var p place
	rest := name
	for {
		below, in := strings.CutPrefix(rest, "charts/")
		if !in || path.Ext(below) == ".prov" {
			return p, nil
		}
		child, inside, deeper := strings.Cut(below, "/")
		switch {
		case child[0] == '_' || child[0] == '.':
			p.dropped = true
			return p, nil
		case path.Ext(child) == ".tgz" && deeper:
			return p, &nameError{"is in a directory named like an archive, which Helm cannot load", ErrInvalidArchive}
		case path.Ext(child) == ".tgz":
			p.archive = true
			return p, nil
		case !deeper:
			return p, &nameError{"stands in charts/ and is no chart, which Helm cannot load; list it in .helmignore", ErrInvalidArchive}
		}
		p.chart = path.Join(p.chart, "charts", child)
		rest = inside
	}
}

// check reads what Helm reads when it packages: the metadata of the chart and
// of those in charts/, and the files that would make the package unloadable.
func (d *directory) check(ctx context.Context) error {
	present := make(map[string]bool) // names of the charts directly in charts/
	charts := make(map[string]bool)  // directories of charts within, checked
	for _, f := range d.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := placeOf(f.name)
		if err != nil {
			return err
		}
		if p.chart != "" && !charts[p.chart] {
			charts[p.chart] = true
			m, err := d.metadataOf(p.chart)
			if err != nil {
				return err
			}
			if path.Dir(p.chart) == "charts" {
				present[m.Name] = true
			}
		}
		if p.archive {
			m, err := d.packagedMetadata(f)
			if err != nil {
				return err
			}
			if p.chart == "" {
				present[m.Name] = true
			}
			continue
		}
		if err := d.checkFile(f, p.chart); err != nil {
			return err
		}
	}
	if missing := d.meta.missingDependencies(present); len(missing) > 0 {
		return dependencyError(d.path, missing)
	}
	return nil
}

// metadataOf reads the metadata of the chart in a directory; "" is the root.
func (d *directory) metadataOf(dir string) (*Metadata, error) {
	data, err := d.chartYAML(dir)
	if err != nil {
		return nil, err
	}
	requirements, err := d.requirements(dir)
	if err != nil {
		return nil, err
	}
	m, err := parseMetadata([][]byte{data}, requirements)
	if err == nil {
		err = m.Validate()
	}
	return m, atPath(path.Join(d.path, dir), err)
}

func (d *directory) chartYAML(dir string) ([]byte, error) {
	name := path.Join(dir, chartFile)
	if d.has(name) {
		return d.readSmall(name)
	}
	problem := "has no Chart.yaml"
	if _, err := d.root.Stat(name); err == nil {
		problem = "leaves out its Chart.yaml by .helmignore"
	}
	return nil, d.fault(dir, problem, fmt.Errorf("%w: %w", ErrInvalidArchive, ErrNotChart))
}

func (d *directory) requirements(dir string) ([][]byte, error) {
	name := path.Join(dir, requirementsFile)
	if !d.has(name) {
		return nil, nil
	}
	data, err := d.readSmall(name)
	return [][]byte{data}, err
}

// packagedMetadata reads a chart that stands packaged in charts/, whole, as
// Helm will: it came from elsewhere, so what Helm tolerates is tolerated.
func (d *directory) packagedMetadata(f sourceFile) (*Metadata, error) {
	r, err := d.open(f)
	if err != nil {
		return nil, err
	}
	a, err := newArchive(path.Join(d.path, f.name), r, f.size, &ArchiveOptions{Limits: d.limits, Lenient: true})
	if err != nil {
		return nil, err
	}
	defer a.Close()
	return a.Metadata()
}

// checkFile refuses what Helm would not load or package: values and locks that
// are no YAML mappings, schemas that are no JSON.
func (d *directory) checkFile(f sourceFile, chart string) error {
	rest := f.name
	if chart != "" {
		rest = strings.TrimPrefix(rest, chart+"/")
	}
	switch rest {
	case "values.yaml", "Chart.lock", "requirements.lock":
		if f.size > maxMetadata {
			return nil // too large to hold in memory only for this
		}
		data, err := d.readSmall(f.name)
		if err != nil {
			return err
		}
		if err := checkMapping(data); err != nil {
			kind := ErrInvalidArchive
			if errors.Is(err, errExpanded) {
				kind = ErrTooLarge
			}
			return d.fault(f.name, "cannot be read: "+err.Error(), kind)
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
				return d.ioFault(f.name, err)
			}
			return d.fault(f.name, "is not JSON: "+err.Error(), ErrInvalidArchive)
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
