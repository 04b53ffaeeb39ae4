package main

import (
	"context"
	"os"

	"github.com/portolan-oci/portolan/chart"
)

// toShow is a chart that is open.
type toShow struct {
	archive *chart.Archive
	name    string // for errors; empty: the archive's own name it
	close   func() error
}

// toShow opens the chart that the command line names.
func (a *app) toShow(ctx context.Context, from end, options chart.PullOptions) (*toShow, error) {
	switch {
	case from.layout != "":
		return nil, usagef("show: a layout; copy the chart out of it first, as in: portolan copy layout:%s ./chart.tgz", from.layout)
	case from.path == "":
		pulled, err := a.fetch(ctx, from.ref, options)
		if err != nil {
			return nil, err
		}
		return &toShow{pulled.Archive, pulled.Origin.Resolved.String(), pulled.Close}, nil
	case options.Selector != chart.Selector{} || a.verify.on:
		return nil, usagef("%s: --version, --devel, --chart and --verify are for a chart in a registry", from.path)
	}
	info, err := os.Stat(from.path)
	if err != nil {
		return nil, chartAt(err)
	}
	if info.IsDir() {
		packed, err := chart.Pack(ctx, from.path, nil)
		if err != nil {
			return nil, err
		}
		return &toShow{packed.Archive(), "", packed.Close}, nil
	}
	archive, err := chart.Open(from.path, &chart.ArchiveOptions{Lenient: a.lenient})
	if err != nil {
		return nil, err
	}
	return &toShow{archive, "", archive.Close}, nil
}
