package chart

import (
	"strings"

	"github.com/portolan-oci/portolan/internal/redact"
)

// requirementsFile is where charts of apiVersion v1 list their dependencies.
const requirementsFile = "requirements.yaml"

// mergeRequirements reads requirements.yaml over what Chart.yaml said. Helm
// reads the whole file into the same structure whatever the apiVersion, so any
// key of it counts, not only dependencies; the config blob is equal to Helm's
// only if we do the same.
func (m *Metadata) mergeRequirements(r *yamlReader, data []byte) error {
	return m.read(r, requirementsFile, data)
}

// missingDependencies lists the declared dependencies that are not among the
// names of the charts in charts/. As in Helm, the name alone decides: the
// version there may be another.
func (m *Metadata) missingDependencies(present map[string]bool) []string {
	var missing []string
	for _, d := range m.Dependencies {
		if !present[d.Name] {
			missing = append(missing, d.Name)
		}
	}
	return missing
}

func dependencyError(path string, missing []string) error {
	names := redact.Text(strings.Join(missing, ", "), redact.MaxShown/2)
	what := "dependency " + names + " is"
	if len(missing) > 1 {
		what = "dependencies " + names + " are"
	}
	return &ArchiveError{
		Path:    path,
		Problem: what + " declared but not in charts/; fetch the dependencies first",
		Err:     ErrMissingDependency,
	}
}
