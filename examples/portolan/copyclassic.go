package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/classic"
)

// isClassic tells a chart repository from a registry's reference.
func isClassic(source string) bool {
	scheme, _, found := strings.Cut(source, "://")
	scheme = strings.ToLower(scheme)
	return found && (scheme == "http" || scheme == "https" || scheme == "file")
}

// classicDir is where the indexes of chart repositories are kept: with the
// cache, which they share the identity of. Empty: nowhere.
func (a *app) classicDir() string {
	dir := a.cacheDir
	if dir == "" {
		var err error
		if dir, err = cache.DefaultDir(); err != nil {
			return ""
		}
	}
	return filepath.Join(dir, "classic")
}

// copyFailure sums up the charts that could not be copied; each has had a line
// of its own.
type copyFailure struct {
	count, of int
	errs      []error
}

func (f *copyFailure) Error() string {
	return fmt.Sprintf("%d of %d charts could not be copied; copy again to try these, what is there is not moved again", f.count, f.of)
}

func (f *copyFailure) Unwrap() []error { return f.errs }

// copyClassic copies charts from a chart repository under a namespace of a
// registry.
func (a *app) copyClassic(ctx context.Context, source, destination string, options classic.CopyOptions) error {
	if err := a.needsNetwork("copy"); err != nil {
		return err
	}
	destination, err := a.namespace(destination)
	if err != nil {
		return err
	}
	namespace, err := classic.ParseNamespace(destination)
	if err != nil {
		return usageError{err}
	}
	hosts := []string{namespace.Host}
	if u, err := url.Parse(source); err == nil && u.Host != "" && u.Scheme != "file" && u.Host != namespace.Host {
		hosts = append(hosts, u.Host)
	}
	client, err := a.chartClient(hosts...)
	if err != nil {
		return err
	}
	repository, err := classic.Open(client, source, &classic.Options{Dir: a.classicDir(), MaxAge: a.policy().MaxAge, StaleIfError: a.policy().StaleIfError, Provenance: true, Logger: a.logger()})
	if err != nil {
		return err
	}
	defer repository.Close()
	copied, failure := []classic.Copied{}, &copyFailure{}
	for c, err := range classic.Copy(ctx, repository, namespace, &options) {
		if err != nil && c.Name == "" {
			return errors.Join(a.printCopied(copied), err)
		}
		failure.of++
		if err != nil {
			a.note("%s: %s", strings.TrimSpace(c.Name+" "+c.Version), err)
			failure.count++
			failure.errs = append(failure.errs, err)
			continue
		}
		copied = append(copied, c)
		if a.output == "table" { // each when it is done: there may be thousands
			fmt.Fprintln(a.progress.above(a.out), copiedLine(c))
		}
	}
	if failure.of == 0 && options.Version != "" {
		return fmt.Errorf("%s: %w %q", source, chart.ErrNoMatch, options.Version)
	}
	if err := a.printCopied(copied); err != nil {
		return err
	}
	if failure.count > 0 {
		return failure
	}
	return nil
}

// copiedLine says what became of a chart.
func copiedLine(c classic.Copied) string {
	if c.Exists {
		return c.Reference.String() + " exists"
	}
	line := fmt.Sprintf("%s copied, %s", c.Reference, size(c.Sent))
	if c.Unverified {
		line += ", unverified"
	}
	return line
}

// printCopied prints the list where it is printed at the end, in an order that
// does not depend on which copy was done first.
func (a *app) printCopied(copied []classic.Copied) error {
	if a.output == "table" {
		return nil
	}
	slices.SortFunc(copied, func(a, b classic.Copied) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version))
	})
	return a.print(copied, func(*tabwriter.Writer) {})
}
