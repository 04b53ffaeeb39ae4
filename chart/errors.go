package chart

import (
	"errors"
	"strings"
)

// What a caller can act on. Each is matched with errors.Is; the error itself
// names the file, the entry or the field.
var (
	// ErrNotChart: something stands here, but it is no chart: a container
	// image, a directory or an archive without Chart.yaml.
	ErrNotChart = errors.New("not a chart")
	// ErrInvalidMetadata: Chart.yaml cannot be read or breaks a rule. The error
	// is a *MetadataError.
	ErrInvalidMetadata = errors.New("invalid chart metadata")
	// ErrInvalidArchive: the archive or directory is not built as a chart is:
	// no gzip, truncated, files beside the chart's directory, no Chart.yaml.
	ErrInvalidArchive = errors.New("invalid chart archive")
	// ErrUnsafeArchive: the content means harm or would do it: a path or link
	// out of the chart, a device, two entries that are one file.
	ErrUnsafeArchive = errors.New("unsafe chart archive")
	// ErrTooLarge: a limit was reached, of Limits or of what registries take.
	ErrTooLarge = errors.New("chart exceeds a limit")
	// ErrMissingDependency: Chart.yaml declares a dependency that is not in
	// charts/.
	ErrMissingDependency = errors.New("dependency is missing")
	// ErrInvalidManifest: a manifest or config says that it is a chart's, but
	// breaks the rules for one, such as by two chart layers (HIP-0006).
	ErrInvalidManifest = errors.New("invalid chart manifest")
)

// ArchiveError tells what is wrong with the content of an archive or of a
// chart directory. It matches what Err matches: one of this package's
// sentinels, or the error of the file beneath. Its fields are what was found
// there, unchanged; what Error makes of them can be printed, on one line of
// less than 4 KiB, without characters that a terminal acts on.
type ArchiveError struct {
	Path    string // the archive or directory; empty where it came from a reader
	Entry   string // as it is spelled in the archive; empty where all of it is meant
	Problem string
	Err     error
}

func (e *ArchiveError) Error() string {
	var b strings.Builder
	b.WriteString("chart")
	if e.Path != "" {
		b.WriteString(" " + shown(e.Path))
	}
	if e.Entry != "" {
		b.WriteString(": entry " + quoted(e.Entry))
	}
	b.WriteString(": " + shown(e.Problem))
	return b.String()
}

// Unwrap returns Err.
func (e *ArchiveError) Unwrap() error { return e.Err }

// MetadataError names the field of Chart.yaml that breaks a rule. It matches
// ErrInvalidMetadata, and what Err matches. Its fields are what was found
// there, unchanged; what Error makes of them can be printed, as with
// ArchiveError.
type MetadataError struct {
	Field   string // its path in Chart.yaml, such as "version" or "dependencies[1].alias"; empty for the whole file
	Value   string // what stands there; empty where nothing does
	Problem string // what is wrong, and what is wanted
	Err     error  // ErrTooLarge where that is why; else nil
}

func (e *MetadataError) Error() string {
	switch {
	case e.Field == "":
		return shown(e.Problem) // it names the file
	case e.Value == "":
		return "chart metadata: " + shown(e.Field) + " " + shown(e.Problem)
	}
	return "chart metadata: " + shown(e.Field) + " " + quoted(e.Value) + " " + shown(e.Problem)
}

// Is makes every MetadataError match ErrInvalidMetadata.
func (e *MetadataError) Is(target error) bool { return target == ErrInvalidMetadata }

// Unwrap returns Err.
func (e *MetadataError) Unwrap() error { return e.Err }
