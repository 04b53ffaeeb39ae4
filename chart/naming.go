package chart

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// nameCharts gives each chart in charts/ its directory in the package: its own
// name, as Helm does, which knows a chart by its Chart.yaml and not by where it
// stands. Charts of one name (aliases may want two versions of one) would
// become one directory there, and a broken chart; here each gets
// <name>-<version>.
func (d *directory) nameCharts(ctx context.Context, n *node) error {
	n.within = slices.DeleteFunc(n.within, (*node).empty)
	slices.SortFunc(n.within, func(a, b *node) int { return strings.Compare(a.source, b.source) })
	count := make(map[string]int)
	for _, c := range n.within {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.onlyProvenance() {
			c.target = path.Join(n.target, "charts", path.Base(c.source))
			continue
		}
		m, err := d.metadataOf(c)
		if err != nil {
			return err
		}
		c.name, c.version = m.Name, m.Version
		count[fold(c.name)]++
	}
	taken := make(map[string]*node)
	for _, c := range n.within {
		if c.target == "" {
			dir := c.name
			if count[fold(c.name)] > 1 {
				dir += "-" + c.version
			}
			if other := taken[fold(dir)]; other != nil {
				return d.faultAt(c, "", fmt.Sprintf("would be %s in the package, and so would %s; remove one of them", quoted("charts/"+dir), quoted(other.source)), ErrInvalidArchive)
			}
			taken[fold(dir)] = c
			if p, _, _, err := placeOf("charts/" + dir + "/" + chartFile); err != nil || p != belowCharts {
				return d.faultAt(c, chartFile, fmt.Sprintf("names the chart %s, and Helm would not load a directory of that name", quoted(c.name)), ErrInvalidArchive)
			}
			c.target = path.Join(n.target, "charts", dir)
		}
		if err := d.nameCharts(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// onlyProvenance tells of a directory in charts/ that is no chart, and that
// Helm tolerates.
func (n *node) onlyProvenance() bool {
	return len(n.within) == 0 && !slices.ContainsFunc(n.files, func(f sourceFile) bool { return path.Ext(f.rel) != ".prov" })
}

// arrange puts all files in the order of the package: Chart.yaml first, then
// bytewise by their paths there.
func (d *directory) arrange(n *node, names *nameSet) error {
	for _, f := range n.files {
		f.name = path.Join(n.target, f.rel)
		err := checkName(f.name, d.limits)
		if err == nil {
			err = names.add(f.name, false)
		}
		var ne *nameError
		if errors.As(err, &ne) {
			return d.faultAt(n, f.rel, ne.problem, ne.kind)
		}
		d.files = append(d.files, f)
	}
	for _, c := range n.within {
		if err := d.arrange(c, names); err != nil {
			return err
		}
	}
	return nil
}

func packageOrder(a, b sourceFile) int {
	switch {
	case a.name == b.name:
		return 0
	case a.name == chartFile:
		return -1
	case b.name == chartFile:
		return 1
	}
	return strings.Compare(a.name, b.name)
}
