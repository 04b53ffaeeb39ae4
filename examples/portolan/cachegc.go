package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// gcUnused is for how long what nobody uses is kept where no flag says so.
const gcUnused = ageValue(30 * 24 * time.Hour)

type gcOptions struct {
	unused, grace, every ageValue
	maxSize, minFree     bytesValue
	dryRun               bool
}

func (a *app) cacheGCCommand() *cobra.Command {
	o := gcOptions{unused: gcUnused, grace: ageValue(cache.DefaultGrace)}
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what is unused or too much from the cache, and what killed processes have left",
		Long: `Remove from the cache what nobody has used for a while, then what was used
longest ago until there is as little as wanted and as much room, and in any case
what killed processes have left behind.

What was packed here and not pushed stays, and so does what was imported, with
all that it needs, and what was used a moment ago. Others may use the cache
meanwhile.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.cacheGC(cmd, o) },
	}
	flags := cmd.Flags()
	flags.Var(&o.unused, "unused", "remove what nobody has used for this `time`, as in 30d or 12h; 0: whatever its age, it stays")
	flags.Var(&o.maxSize, "max-size", "keep at most so many `bytes` of content, as in 5GiB (default: any number)")
	flags.Var(&o.minFree, "min-free", "leave so many `bytes` free on the file system, as in 10GiB (default: any number)")
	flags.Var(&o.grace, "grace", "leave alone what was used or written within this `time`; an hour at least")
	flags.Var(&o.every, "every", "do nothing if that was done within this `time`, as in 1d, or is being done")
	flags.BoolVar(&o.dryRun, "dry-run", false, "tell what would be removed, and why, and remove nothing")
	return cmd
}

// gcResult is what cache gc prints.
type gcResult struct {
	DryRun      bool        `json:"dryRun"`
	Due         bool        `json:"due"` // false: it was done within --every
	Removed     []gcRemoval `json:"removed"`
	Contents    int         `json:"contents"`
	Bytes       int64       `json:"bytes"`
	References  int         `json:"references"`
	Notes       int         `json:"notes"`
	Litter      int         `json:"litter"`
	LitterBytes int64       `json:"litterBytes"`
	Kept        int         `json:"kept"`
	KeptBytes   int64       `json:"keptBytes"`
	Rooted      int         `json:"rooted"` // of the kept ones, packed or imported
	RootedBytes int64       `json:"rootedBytes"`
	Busy        int         `json:"busy"`
	Excess      int64       `json:"excess"` // bytes
}

// gcRemoval is a line of it.
type gcRemoval struct {
	Kind      cache.RemovalKind   `json:"kind"`
	Digest    digest.Digest       `json:"digest,omitempty"`
	Reference registry.Reference  `json:"reference,omitzero"`
	Path      string              `json:"path"`
	Size      int64               `json:"size"`
	LastUsed  time.Time           `json:"lastUsed"`
	Reason    cache.RemovalReason `json:"reason"`
}

func (a *app) cacheGC(cmd *cobra.Command, o gcOptions) error {
	if o.dryRun && o.every > 0 {
		return usagef("--dry-run and --every: a dry run is always due")
	}
	store, err := a.cacheStore()
	if err != nil {
		return err
	}
	limits := cache.Limits{
		MaxAge: time.Duration(o.unused), MaxSize: int64(o.maxSize), MinFree: int64(o.minFree),
		Grace: max(time.Duration(o.grace), 1), // 0 would be the default
	}
	r := gcResult{DryRun: o.dryRun, Due: true, Removed: []gcRemoval{}}
	options := cache.CollectOptions{DryRun: o.dryRun, Removed: func(x cache.Removal) {
		r.Removed = append(r.Removed, gcRemoval(x))
	}}
	var c cache.Collection
	if o.every > 0 {
		r.Due, c, err = store.CollectIfDue(cmd.Context(), limits, time.Duration(o.every), options)
	} else {
		c, err = store.Collect(cmd.Context(), limits, options)
	}
	r.Contents, r.Bytes, r.References, r.Notes, r.Litter, r.LitterBytes = c.Removed, c.RemovedBytes, c.References, c.Notes, c.Litter, c.LitterBytes
	r.Kept, r.KeptBytes, r.Rooted, r.RootedBytes, r.Busy, r.Excess = c.Kept, c.KeptBytes, c.Rooted, c.RootedBytes, c.Busy, c.Excess
	if c.Excess > 0 {
		a.note("the cache is still %s beyond its limits: all else is packed, imported, in use or was used within the grace", size(c.Excess))
	}
	if perr := a.print(r, func(w *tabwriter.Writer) { r.table(w, store.Dir()) }); perr != nil && err == nil {
		err = perr
	}
	return err
}

func (r gcResult) table(w *tabwriter.Writer, dir string) {
	if !r.Due {
		fmt.Fprintln(w, "not due")
		return
	}
	if len(r.Removed) > 0 {
		fmt.Fprintln(w, "KIND\tWHAT\tSIZE\tLAST USED\tREASON")
	}
	for _, x := range r.Removed {
		what := fileName(beneath(dir, x.Path))
		switch {
		case !x.Reference.IsZero():
			what = x.Reference.String()
		case x.Digest != "":
			what = fmt.Sprintf("%.19s", x.Digest)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", x.Kind, what, size(x.Size), x.LastUsed.Local().Format(time.DateTime), x.Reason)
	}
	did := "removed"
	if r.DryRun {
		did = "would remove"
	}
	fmt.Fprintf(w, "%s %d contents of %s, %d references, %d notes, %d files of litter\n", did, r.Contents, size(r.Bytes), r.References, r.Notes, r.Litter)
	fmt.Fprintf(w, "%d contents of %s stay, %d of them packed or imported\n", r.Kept, size(r.KeptBytes), r.Rooted)
}
