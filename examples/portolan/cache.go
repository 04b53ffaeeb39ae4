package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/registry"
)

func (a *app) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "cache", Short: "Look into the cache", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef("usage: %s list|verify|gc|export|import|release|path", cmd.UseLine())
		}}
	cmd.AddCommand(&cobra.Command{
		Use:   "path",
		Short: "Print the cache's directory",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			store, err := a.cacheStore()
			if err != nil {
				return err
			}
			r := struct {
				Path string `json:"path"`
			}{store.Dir()}
			return a.print(r, func(w *tabwriter.Writer) { fmt.Fprintln(w, r.Path) })
		},
	}, &cobra.Command{
		Use:   "list",
		Short: "List the references that the cache knows",
		Args:  args(cobra.NoArgs),
		RunE:  a.cacheList,
	})
	cmd.AddCommand(a.cacheVerifyCommand(), a.cacheGCCommand(), a.cacheExportCommand(), a.cacheImportCommand(), a.cacheReleaseCommand())
	return cmd
}

// cacheEntry is a line of cache list.
type cacheEntry struct {
	Reference registry.Reference `json:"reference"`
	Digest    digest.Digest      `json:"digest"`
	Size      int64              `json:"size"`
	Complete  bool               `json:"complete"`
	Packed    bool               `json:"packed"` // kept here to be pushed
	Held      bool               `json:"held"`   // imported, and kept until it is released
	Fetched   time.Time          `json:"fetched,omitzero"`
	Confirmed time.Time          `json:"confirmed,omitzero"`
}

// beneath is a path in the cache as tables show it.
func beneath(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil {
		return rel
	}
	return path
}

func (a *app) cacheList(cmd *cobra.Command, _ []string) error {
	store, err := a.cacheStore()
	if err != nil {
		return err
	}
	all := []cacheEntry{}
	for e, err := range store.Entries(cmd.Context()) {
		if err != nil {
			return err
		}
		all = append(all, cacheEntry{e.Reference, e.Descriptor.Digest, e.Size, e.Complete, e.Pinned, e.Held, e.Fetched, e.Confirmed})
	}
	slices.SortStableFunc(all, func(a, b cacheEntry) int { return strings.Compare(a.Reference.String(), b.Reference.String()) })
	return a.print(all, func(w *tabwriter.Writer) {
		if len(all) == 0 {
			return
		}
		fmt.Fprintln(w, "REFERENCE\tDIGEST\tSIZE\tSTATE\tCONFIRMED")
		for _, e := range all {
			state := "partial"
			if e.Complete {
				state = "complete"
			}
			if e.Held {
				state += ", held"
			}
			if e.Packed {
				state = "packed"
			}
			confirmed := "-"
			if !e.Confirmed.IsZero() {
				confirmed = e.Confirmed.Local().Format(time.DateTime)
			}
			fmt.Fprintf(w, "%s\t%.19s\t%s\t%s\t%s\n", e.Reference, e.Digest, size(e.Size), state, confirmed)
		}
	})
}
