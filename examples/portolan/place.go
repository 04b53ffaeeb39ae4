package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/portolan-oci/portolan/chart"
)

// placing is where pull puts a chart: as a file, or as the directory of its
// name.
type placing struct {
	destination string
	untar, prov bool
}

// place writes a chart that has been checked, and its provenance file if that
// is wanted. The destination is made if it is missing.
func (to placing) place(ctx context.Context, pulled *chart.Pulled) (path, provPath string, err error) {
	destination, err := filepath.Abs(to.destination)
	if err != nil {
		return "", "", err
	}
	switch {
	case to.untar:
		if err = os.MkdirAll(destination, 0o777); err == nil {
			path, err = pulled.Archive.Unpack(ctx, destination)
		}
	case to.prov:
		path, provPath, err = pulled.SaveWithProvenance(ctx, destination)
	default:
		path, err = pulled.Save(ctx, destination)
	}
	return path, provPath, err
}
