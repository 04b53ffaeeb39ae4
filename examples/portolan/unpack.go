package main

import (
	"context"
	"os"

	"github.com/portolan-oci/portolan/chart"
)

// place puts a pulled chart into destination: as a file, or as the directory
// of its name. It has been checked; destination is made if it is missing.
func place(ctx context.Context, pulled *chart.Pulled, destination string, untar bool) (string, error) {
	if !untar {
		return pulled.Save(ctx, destination)
	}
	if err := os.MkdirAll(destination, 0o777); err != nil {
		return "", err
	}
	return pulled.Archive.Unpack(ctx, destination)
}
