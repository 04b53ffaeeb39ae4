package chart

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portolan-oci/portolan/registry"
)

// DependenciesError lists every dependency that an update or a build could not
// have, in the order of Chart.yaml. It matches what each of them matches.
type DependenciesError struct {
	Total  int // how many there are, failed or not
	Failed []*DependencyError
}

// maxNamed bounds how many failures a message spells out.
const maxNamed = 20

// maxMissing bounds how many it names where all are what the cache lacks, which
// somebody will fetch by this list: more than any chart declares, and with 200
// bytes for each, less than 256 KiB.
const maxMissing = 1000

// Error prints all of them on one line; beyond twenty, their number. Where the
// client is offline and its cache lacks them, it names up to a thousand.
func (e *DependenciesError) Error() string {
	if len(e.Failed) == 1 {
		return e.Failed[0].Error()
	}
	if !slices.ContainsFunc(e.Failed, func(f *DependencyError) bool { return !errors.Is(f.Err, ErrNotCached) }) {
		return e.missing()
	}
	texts := make([]string, 0, maxNamed+1)
	for i, f := range e.Failed {
		if i == maxNamed {
			texts = append(texts, fmt.Sprintf("and %d more", len(e.Failed)-i))
			break
		}
		texts = append(texts, fmt.Sprintf("(%d) %s", i+1, f))
	}
	return fmt.Sprintf("%d of %d dependencies failed: %s", len(e.Failed), e.Total, strings.Join(texts, "; "))
}

// missing is the message where nothing but the network is wanted.
func (e *DependenciesError) missing() string {
	texts := make([]string, 0, len(e.Failed))
	for i, f := range e.Failed {
		if i == maxMissing {
			texts = append(texts, fmt.Sprintf("and %d more", len(e.Failed)-i))
			break
		}
		texts = append(texts, fmt.Sprintf("(%d) %s: %s", i+1, f.subject(), lacked(f.Err)))
	}
	return fmt.Sprintf("%d of %d dependencies are not in the cache, which was asked offline: %s; fetch them once with the registries in reach",
		len(e.Failed), e.Total, strings.Join(texts, "; "))
}

// lacked says what the cache lacks, less what is said of all dependencies.
func lacked(err error) string {
	if partly, ok := errors.AsType[*NotCachedError](err); ok {
		return partly.Reference.String() + " lacks " + partly.lacks()
	}
	if none, ok := errors.AsType[*NoMatchError](err); ok {
		return none.Error()
	}
	if e, ok := errors.AsType[*registry.Error](err); ok && !e.Reference.IsZero() {
		return e.Reference.String()
	} else if ok && e.URL != "" {
		return e.Op + " " + shown(e.URL)
	}
	return err.Error()
}

// Unwrap returns the failures.
func (e *DependenciesError) Unwrap() []error {
	all := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		all[i] = f
	}
	return all
}

// DependencyError is the failure of one dependency.
type DependencyError struct {
	// Dependency is what was wanted: the declaration in an update, the lock's
	// entry in a build. Not the caller's to change.
	Dependency *Dependency
	Err        error
}

func (e *DependencyError) Error() string {
	return "dependency " + e.subject() + ": " + e.Err.Error()
}

func (e *DependencyError) subject() string {
	text := shown(e.Dependency.Name)
	if v := e.Dependency.Version; v != "" {
		text += " " + shown(v)
	}
	if r := e.Dependency.Repository; r != "" {
		text += " from " + shown(r)
	}
	return text
}

// Unwrap returns Err.
func (e *DependencyError) Unwrap() error { return e.Err }

// joinDependencies makes one error of those of all dependencies, or nil. When
// the caller has given up, that is all there is to say.
func joinDependencies(ctx context.Context, of []*Dependency, errs []error) error {
	all := &DependenciesError{Total: len(of)}
	for i, err := range errs {
		if err != nil {
			all.Failed = append(all.Failed, &DependencyError{Dependency: of[i], Err: err})
		}
	}
	switch {
	case len(all.Failed) == 0:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("dependencies: %w", ctx.Err())
	}
	return all
}
