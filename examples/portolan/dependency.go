package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/classic"
)

func (a *app) dependencyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "dependency",
		Aliases: []string{"dep", "dependencies"},
		Short:   "Fetch and list the charts that a chart depends on",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef("dependency: update, build or list; usage: %s", cmd.UseLine())
		},
	}
	cmd.AddCommand(a.dependencyUpdateCommand(), a.dependencyBuildCommand(), a.dependencyListCommand())
	return cmd
}

// dependencyOptions are for one update or build with client. Chart repositories
// are opened by URL, or by the name that "helm repo add" gave them. The caller
// calls done.
func (a *app) dependencyOptions(client *chart.Client) (options chart.DependencyOptions, done func(), err error) {
	if options.Time, err = sourceDate(); err != nil {
		return options, nil, err
	}
	path, err := classic.DefaultAliasesPath()
	if err != nil {
		return options, nil, err
	}
	aliases, err := classic.Aliases(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return options, nil, err
	}
	set := classic.NewRepositories(client, aliases, &classic.Options{
		Dir: a.classicDir(), MaxAge: a.policy().MaxAge, StaleIfError: a.policy().StaleIfError, Offline: a.offline, Provenance: a.verify.on, Logger: a.logger()})
	options.Repositories = set.Open
	return options, func() { set.Close() }, nil
}

// dependencyRun is an update or a build.
type dependencyRun func(*chart.Client, context.Context, string, chart.DependencyOptions) (*chart.Lock, error)

func (a *app) dependencyUpdateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "update DIR",
		Aliases: []string{"up"},
		Short:   "Fetch the newest charts in the ranges of Chart.yaml, and lock them",
		Long: `Update fills charts/ as helm dependency update does, and writes Chart.lock.
Chart.digests.yaml, beside it, pins what Chart.lock names.
A new lock has the time of SOURCE_DATE_EPOCH if it is set.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.dependencies(cmd.Context(), args[0], (*chart.Client).UpdateDependencies, chart.DependencyOptions{})
		},
	}
	a.verifyFlags(cmd)
	return cmd
}

func (a *app) dependencyBuildCommand() *cobra.Command {
	var options chart.DependencyOptions
	cmd := &cobra.Command{
		Use:   "build DIR",
		Short: "Fetch the charts that Chart.lock names",
		Long: `Build fills charts/ from Chart.lock as helm dependency build does; without a lock it updates.
Where Chart.digests.yaml pins the lock, a version that is another chart now is an error.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.dependencies(cmd.Context(), args[0], (*chart.Client).BuildDependencies, options)
		},
	}
	a.verifyFlags(cmd)
	cmd.Flags().BoolVar(&options.SkipCheck, "skip-check", false, "take the locked digests without asking whether the versions still name them")
	cmd.Flags().BoolVar(&options.RequireDigests, "require-digests", false, "fail where Chart.digests.yaml does not pin the lock")
	return cmd
}

// lockedDependency is one of those that an update or a build prints.
type lockedDependency struct {
	Name       string        `json:"name"`
	Version    string        `json:"version"`
	Repository string        `json:"repository"`
	Digest     digest.Digest `json:"digest,omitempty"` // of the manifest
	Layer      digest.Digest `json:"layer,omitempty"`  // of the archive
	// Where a registry gave it; see result.
	Origin    cache.Origin    `json:"origin,omitempty"`
	Confirmed time.Time       `json:"confirmed,omitzero"`
	Moved     *cache.TagMoved `json:"moved,omitempty"`
}

func (a *app) dependencies(ctx context.Context, dir string, run dependencyRun, flags chart.DependencyOptions) error {
	hosts, err := a.dependencyHosts(ctx, dir)
	if err != nil {
		return err
	}
	client, err := a.chartClient(hosts...)
	if err != nil {
		return err
	}
	options, done, err := a.dependencyOptions(client)
	if err != nil {
		return err
	}
	defer done()
	options.SkipCheck, options.RequireDigests = flags.SkipCheck, flags.RequireDigests
	lock, err := run(client, ctx, dir, options)
	if err != nil {
		return err
	}
	result := struct {
		Path         string             `json:"path"` // charts/
		Lock         string             `json:"lock,omitempty"`
		Pinned       bool               `json:"pinned"`
		Dependencies []lockedDependency `json:"dependencies"`
	}{Lock: lock.Digest, Pinned: lock.Pinned, Dependencies: []lockedDependency{}}
	if result.Path, err = filepath.Abs(filepath.Join(dir, "charts")); err != nil {
		return err
	}
	for i, p := range lock.Pins {
		d := lockedDependency{Name: p.Name, Version: p.Version, Repository: p.Repository, Digest: p.Manifest, Layer: p.Layer}
		if i < len(lock.Origins) { // a chart without dependencies has none
			d.Origin, d.Confirmed, d.Moved = lock.Origins[i].From, lock.Origins[i].Confirmed, lock.Origins[i].Moved
		}
		result.Dependencies = append(result.Dependencies, d)
	}
	if !lock.Pinned && len(lock.Pins) > 0 {
		a.note("note: no %s pins this lock; an update writes one", chart.DigestsFile)
	}
	return a.print(result, func(w *tabwriter.Writer) {
		for _, d := range result.Dependencies {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", d.Name, d.Version, d.Repository, d.Digest)
		}
	})
}

// dependencyHosts are the hosts that the chart names, where a flag is given
// without one.
func (a *app) dependencyHosts(ctx context.Context, dir string) ([]string, error) {
	if a.hosts.isBare == "" {
		return nil, nil
	}
	list, err := chart.ListDependencies(ctx, dir, nil)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, d := range list.Dependencies {
		u, err := url.Parse(d.Dependency.Repository)
		if err == nil && u.Host != "" && !slices.Contains(hosts, u.Host) {
			hosts = append(hosts, u.Host)
		}
	}
	return hosts, nil
}

func (a *app) dependencyListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list DIR",
		Aliases: []string{"ls"},
		Short:   "List what Chart.yaml declares and whether charts/ has it",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := chart.ListDependencies(cmd.Context(), args[0], nil)
			if err != nil {
				return err
			}
			for _, name := range list.Undeclared {
				a.note("note: charts/%s is no chart that Chart.yaml declares", name)
			}
			type row struct {
				Name       string `json:"name"`
				Version    string `json:"version"`
				Repository string `json:"repository"`
				Alias      string `json:"alias,omitempty"`
				Status     string `json:"status"`
			}
			rows := []row{}
			for _, d := range list.Dependencies {
				rows = append(rows, row{d.Dependency.Name, d.Dependency.Version, d.Dependency.Repository, d.Dependency.Alias, d.Status})
			}
			return a.print(rows, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "NAME\tVERSION\tREPOSITORY\tALIAS\tSTATUS")
				for _, r := range rows {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Name, r.Version, r.Repository, r.Alias, r.Status)
				}
			})
		},
	}
}
