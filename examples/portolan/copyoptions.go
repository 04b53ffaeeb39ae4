package main

import (
	"github.com/spf13/pflag"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/classic"
)

// copyOptions are the flags of copy, of which some are for one chart and some
// for a chart repository.
type copyOptions struct {
	version              string
	devel, force         bool
	charts               []string
	referrers, chartOnly bool // of one chart
	latest, parallel     int  // of a chart repository
}

func (o *copyOptions) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.version, "version", "", "a version, or a `range` as in ^1.2; of a chart repository, all versions in it (default: the newest stable version; all)")
	flags.BoolVar(&o.devel, "devel", false, "consider pre-releases too")
	flags.StringArrayVar(&o.charts, "chart", nil, "the chart's `name`, where a tag names an image index with several, to copy it alone; of a chart repository, copy this chart alone, and may be given several times")
	flags.BoolVar(&o.force, "force", false, "replace what stands there")
	flags.BoolVar(&o.referrers, "referrers", false, "take signatures, SBOMs and whatever else refers to the chart along")
	flags.BoolVar(&o.chartOnly, "chart-only", false, "of an image index, copy its chart's manifest alone")
	flags.IntVar(&o.latest, "latest", 0, "of a chart repository, copy the newest `N` versions of each chart alone")
	flags.IntVar(&o.parallel, "parallel", 0, "of a chart repository, copy `N` charts at a time (default 4)")
}

// forChart is for a copy of one chart.
func (o *copyOptions) forChart() (chart.CopyOptions, error) {
	options := chart.CopyOptions{Referrers: o.referrers, ChartOnly: o.chartOnly, Force: o.force,
		Selector: chart.Selector{Version: o.version, Prereleases: o.devel}}
	switch {
	case o.latest != 0 || o.parallel != 0:
		return options, usagef("--latest and --parallel are for a chart repository")
	case len(o.charts) > 1:
		return options, usagef("--chart: the source holds one chart, and %d names are given", len(o.charts))
	case len(o.charts) == 1:
		options.Selector.Chart, options.ChartOnly = o.charts[0], true // the whole index would hold others too
	}
	return options, nil
}

// forRepository is for a copy of a chart repository.
func (o *copyOptions) forRepository() (classic.CopyOptions, error) {
	options := classic.CopyOptions{Charts: o.charts, Version: o.version, Prereleases: o.devel,
		Latest: o.latest, Parallel: o.parallel, Force: o.force}
	if o.referrers || o.chartOnly {
		return options, usagef("--referrers and --chart-only are for a chart in a registry or a layout")
	}
	return options, nil
}
