package chart

import "context"

// Repository is a classic chart repository, as far as dependencies need one:
// chart/classic has it. Implementations are safe for concurrent use.
//
// One that also has the method URL() string tells what an alias ("@stable")
// stands for. Lock files hold that URL then, as Helm's do, and without it the
// alias.
type Repository interface {
	// Versions answers with all versions of one chart, as they are spelled
	// there, in any order. It matches registry.ErrNotFound where there is no
	// such chart.
	Versions(ctx context.Context, name string) ([]string, error)
	// Pull opens one version, spelled exactly so. It matches
	// registry.ErrNotFound where there is none, and registry.ErrDigestMismatch
	// where the archive is not what the repository says. The caller closes the
	// result.
	Pull(ctx context.Context, name, version string) (*Packed, error)
}
