package main

import (
	"cmp"
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/layout"
)

// end is one end of a copy, as the command line spells it: a reference, a
// layout, or a path of an archive or directory.
type end struct {
	ref       registry.Reference // of a layout, tag and digest alone
	namespace string             // where the chart's name comes after it
	layout    string             // the path
	path      string
}

func (e end) hosts() []string {
	if e.ref.Host == "" {
		return nil
	}
	return []string{e.ref.Host}
}

func (a *app) parseSource(text string) (end, error) {
	if e, ok, err := parseLayout(text); ok || err != nil {
		return e, err
	}
	if strings.HasPrefix(text, "oci://") {
		ref, err := a.parse(text)
		return end{ref: ref}, err
	}
	_, cerr := os.Stat(filepath.Join(text, "Chart.yaml"))
	info, err := os.Stat(text)
	if looksLikePath(text) || cerr == nil || err == nil && info.Mode().IsRegular() {
		return end{path: text}, nil
	}
	ref, err := a.parse(text)
	return end{ref: ref}, err
}

func (a *app) parseDestination(text string) (end, error) {
	if e, ok, err := parseLayout(text); ok || err != nil {
		return e, err
	}
	if looksLikePath(text) {
		return end{path: text}, nil
	}
	if namespace, ok := strings.CutSuffix(text, "/"); ok {
		// The name is not known yet: any shows whether the rest is right.
		ref, err := a.parse(namespace + "/x")
		if err == nil {
			return end{ref: registry.Reference{Host: ref.Host}, namespace: strings.TrimSuffix(ref.Name(), "/x")}, nil
		}
	}
	ref, err := a.parse(text)
	if err != nil {
		if info, serr := os.Stat(text); serr == nil && info.IsDir() {
			return end{path: text}, nil
		}
		return end{}, err
	}
	return end{ref: ref}, nil
}

// looksLikePath tells what no reference is spelled like.
func looksLikePath(text string) bool {
	if strings.HasSuffix(text, ".tgz") || filepath.IsAbs(text) || text == "." || text == ".." {
		return true
	}
	slashed := filepath.ToSlash(text)
	return strings.HasPrefix(slashed, "./") || strings.HasPrefix(slashed, "../")
}

// parseLayout reads "layout:PATH[:TAG][@DIGEST]". A path may have colons too:
// what follows the last one is a tag if it can be.
func parseLayout(text string) (end, bool, error) {
	rest, ok := strings.CutPrefix(text, "layout:")
	if !ok {
		return end{}, false, nil
	}
	var e end
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		if d := digest.Digest(rest[i+1:]); d.Validate() == nil {
			rest, e.ref.Digest = rest[:i], d
		}
	}
	e.layout = rest
	if i := strings.LastIndex(rest, ":"); i > 1 { // not that of a drive, C:\charts
		if tag := registry.TagOfVersion(rest[i+1:]); registry.ValidTag(tag) {
			e.layout, e.ref.Tag = rest[:i], tag
		}
	}
	if e.layout == "" {
		return e, true, usagef("%s: no path after layout:", text)
	}
	return e, true, nil
}

// isTar tells a layout in a tar file from one in a directory.
func isTar(path string) bool {
	info, err := os.Stat(path)
	if err == nil {
		return info.Mode().IsRegular()
	}
	return strings.HasSuffix(path, ".tar")
}

// source is an open end to read from.
type source struct {
	chart.CopySource
	name  string // the chart's; empty: not known yet
	close func() error
}

func (e end) open(ctx context.Context, client *chart.Client, selector chart.Selector) (*source, error) {
	switch {
	case e.layout != "":
		return e.openLayout(ctx, selector)
	case e.path != "":
		packed, err := open(ctx, client, e.path, registry.Reference{}, chart.PackOptions{})
		if err != nil {
			return nil, err
		}
		return &source{chart.CopySource{Source: packed}, packed.Metadata.Name, packed.Close}, nil
	}
	from, err := client.CopyFrom(e.ref)
	return &source{from, cmp.Or(selector.Chart, path.Base(e.ref.Repository)), func() error { return nil }}, err
}

// layoutReader is a layout of either form.
type layoutReader interface {
	registry.Source
	Entries(context.Context) ([]ocispec.Descriptor, error)
	Close() error
}

func (e end) openLayout(ctx context.Context, selector chart.Selector) (*source, error) {
	var l layoutReader
	var err error
	if isTar(e.layout) {
		l, err = layout.OpenTar(e.layout)
	} else {
		l, err = layout.Open(e.layout)
	}
	if err != nil {
		return nil, chartAt(err)
	}
	ref := e.ref
	if ref.Object() == "" && selector == (chart.Selector{}) {
		if ref, err = only(ctx, l); err != nil {
			l.Close()
			return nil, err
		}
	}
	return &source{chart.CopySource{Source: l, Reference: ref}, "", l.Close}, nil
}

// only names the one manifest of a layout: the one with a tag, or the one that
// there is. Where there are more, or none, nothing is named.
func only(ctx context.Context, l layoutReader) (registry.Reference, error) {
	entries, err := l.Entries(ctx)
	if err != nil {
		return registry.Reference{}, err
	}
	if len(entries) == 1 {
		tag := registry.TagOfVersion(entries[0].Annotations[ocispec.AnnotationRefName])
		if !registry.ValidTag(tag) {
			return registry.Reference{Digest: entries[0].Digest}, nil
		}
		return registry.Reference{Tag: tag}, nil
	}
	return registry.Reference{}, nil
}
