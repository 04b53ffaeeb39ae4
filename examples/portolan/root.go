package main

import (
	"context"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

// streams are what a command reads and writes. Nothing but results goes to
// out.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// app is one invocation: the global flags and where it writes.
type app struct {
	streams
	output   string
	cacheDir string
	modeFlags
	timeout      time.Duration
	dockerConfig string
	sources      string // where credentials come from; empty: all
	debug        bool
	lenient      bool // of the commands that open archives
	verify       verifyFlags
	hosts        hostFlags
	progress     *progress    // nil: nothing is shown
	ended        func() error // why the command's context has ended; nil before it runs
	files        hostFiles
}

// run is the whole program, and answers with its exit status.
func run(ctx context.Context, args []string, s streams) int {
	a := &app{streams: s}
	root := a.command()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	return a.report(root.ExecuteContext(ctx))
}

func (a *app) command() *cobra.Command {
	var cancel context.CancelFunc
	root := &cobra.Command{
		Use:           "portolan",
		Short:         "Keep Helm charts in OCI registries",
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if a.output != "table" && a.output != "json" {
				return usagef("--output %s: table or json", a.output)
			}
			if a.hosts.wrong != nil {
				return a.hosts.wrong
			}
			if a.timeout < 0 {
				return usagef("--timeout: a duration is not negative")
			}
			if err := a.checkModes(); err != nil {
				return err
			}
			ctx := cmd.Context()
			if a.timeout > 0 {
				ctx, cancel = context.WithTimeoutCause(ctx, a.timeout, timeoutError{a.timeout})
			}
			a.ended = func() error { return context.Cause(ctx) }
			if !a.debug { // whose lines tell more
				a.progress = newProgress(a.err)
			}
			if a.progress != nil {
				ctx = registry.WithProgress(ctx, a.progress)
			}
			cmd.SetContext(ctx)
			return nil
		},
		PersistentPostRun: func(*cobra.Command, []string) {
			if cancel != nil {
				cancel()
			}
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := root.PersistentFlags()
	flags.StringVarP(&a.output, "output", "o", "table", "how results are printed: table or json")
	flags.StringVar(&a.cacheDir, "cache", os.Getenv("PORTOLAN_CACHE"), "cache `directory` (default: $PORTOLAN_CACHE, else the user's cache directory)")
	a.registerModes(flags)
	flags.DurationVar(&a.timeout, "timeout", 0, "give up after this `duration`, whatever is being done (default: never)")
	flags.StringVar(&a.dockerConfig, "docker-config", "", "`directory` with docker's config.json and certs.d (default: $DOCKER_CONFIG, else ~/.docker)")
	flags.StringVar(&a.sources, "sources", os.Getenv("PORTOLAN_CREDENTIAL_SOURCES"), "`list` of where to look for credentials, in order (default: $PORTOLAN_CREDENTIAL_SOURCES, else "+sourceNames()+"; there is also "+string(auth.SourceGitHub)+")")
	flags.BoolVar(&a.debug, "debug", false, "print each request on standard error, without secrets")
	a.hosts.register(flags)
	a.files.register(flags)
	for name, words := range map[string][]string{"output": {"json", "table"}, "moved": {"note", "refuse", "warn"}} {
		// The error is that of a flag that does not exist.
		_ = root.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	root.AddCommand(a.loginCommand(), a.logoutCommand(), a.packageCommand(), a.pushCommand(), a.pullCommand(),
		a.resolveCommand(), a.versionsCommand(), a.showCommand(), a.cacheCommand(), a.copyCommand(),
		a.dependencyCommand(), a.capabilitiesCommand())
	return root
}

// version is that of the module as it was built.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

// needsNetwork refuses a command that the cache alone cannot carry out.
func (a *app) needsNetwork(command string) error {
	if a.offline {
		return usagef("%s asks the registry: it cannot be --offline", command)
	}
	return nil
}

// args makes a cobra argument check a usage error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("%v; usage: %s", err, cmd.UseLine())
		}
		return nil
	}
}
