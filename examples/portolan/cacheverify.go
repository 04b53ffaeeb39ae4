package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

func (a *app) cacheVerifyCommand() *cobra.Command {
	var options cache.VerifyOptions
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read every file of the cache, and remove those that are bad",
		Args:  args(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.cacheVerify(cmd, options) },
	}
	cmd.Flags().BoolVar(&options.KeepBad, "keep-bad", false, "remove nothing")
	return cmd
}

// cacheFault is a line of cache verify.
type cacheFault struct {
	Kind      cache.FaultKind    `json:"kind"`
	State     string             `json:"state"`
	Problem   string             `json:"problem"`
	Reference registry.Reference `json:"reference,omitzero"`
	Digest    digest.Digest      `json:"digest,omitempty"`
	Path      string             `json:"path"`
}

// errBadCache is that something was bad.
var errBadCache = errors.New("bad files in the cache")

func (a *app) cacheVerify(cmd *cobra.Command, options cache.VerifyOptions) error {
	store, err := a.cacheStore()
	if err != nil {
		return err
	}
	all, bad, lost := []cacheFault{}, 0, 0
	for f, err := range store.Verify(cmd.Context(), options) {
		if err != nil {
			return err
		}
		if f.Kind != cache.FaultForeign {
			bad++
		}
		if f.Lost {
			lost++
		}
		all = append(all, cacheFault{f.Kind, faultState(f), f.Problem, f.Reference, f.Digest, f.Path})
	}
	if err := a.print(all, func(w *tabwriter.Writer) { faultTable(w, store.Dir(), all) }); err != nil {
		return err
	}
	switch {
	case lost > 0:
		return fmt.Errorf("%w: %d, and %d of them of charts that were packed here and not pushed: pack these again", errBadCache, bad, lost)
	case bad > 0:
		return fmt.Errorf("%w: %d", errBadCache, bad)
	}
	return nil
}

// faultState says what has become of it.
func faultState(f cache.Fault) string {
	switch {
	case f.Kind == cache.FaultForeign:
		return "foreign"
	case f.Lost:
		return "lost"
	case f.Removed:
		return "removed"
	case f.Restored:
		return "restored"
	}
	return "bad"
}

func faultTable(w *tabwriter.Writer, dir string, all []cacheFault) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(w, "KIND\tSTATE\tPROBLEM\tREFERENCE\tPATH")
	for _, f := range all {
		ref := "-"
		if !f.Reference.IsZero() {
			ref = f.Reference.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.Kind, f.State, fileName(f.Problem), ref, fileName(beneath(dir, f.Path)))
	}
}
