package main

import (
	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/chart/classic"
)

func (a *app) copyCommand() *cobra.Command {
	var options classic.CopyOptions
	cmd := &cobra.Command{
		Use:   "copy SOURCE DESTINATION",
		Short: "Copy a chart repository (https://, http:// or file://) under a registry's namespace",
		Args:  args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if isClassic(args[0]) {
				return a.copyClassic(cmd.Context(), args[0], args[1], options)
			}
			return usagef("copy %s: no chart repository", args[0])
		},
	}
	cmd.Flags().BoolVar(&options.Force, "force", false, "replace versions that hold other content")
	classicFlags(cmd.Flags(), &options)
	return cmd
}
