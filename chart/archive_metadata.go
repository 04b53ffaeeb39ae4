package chart

import (
	"errors"
	"fmt"
	"io"
)

// Metadata reads the archive to its end, so that everything in it is checked,
// and returns what Chart.yaml says, requirements.yaml read over it, after
// Validate. The copy is the caller's. Errors match ErrInvalidArchive,
// ErrUnsafeArchive, ErrTooLarge and ErrInvalidMetadata; where Chart.yaml is
// missing, ErrInvalidArchive and ErrNotChart.
func (a *Archive) Metadata() (*Metadata, error) {
	return a.readMetadata(a.section())
}

// readMetadata is Metadata over a reader of the archive's bytes, which it
// reads to their end.
func (a *Archive) readMetadata(r io.Reader) (*Metadata, error) {
	var chartYAML, requirements [][]byte
	err := a.scan(r, func(e *Entry) (err error) {
		switch e.Name {
		case chartFile:
			chartYAML, err = a.appendSmall(chartYAML, e)
		case requirementsFile:
			requirements, err = a.appendSmall(requirements, e)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	m, err := a.parse(chartYAML, requirements)
	if err != nil {
		return nil, err
	}
	a.known.Store(m.clone())
	return m, nil
}

// PeekMetadata returns what Chart.yaml says and reads no further: most
// archives begin with it. It is for display only. What follows has not been
// looked at, dependencies in requirements.yaml are not in it, and in an
// archive that Metadata refuses it may be anything. Errors as for Metadata.
func (a *Archive) PeekMetadata() (*Metadata, error) {
	var m *Metadata
	err := a.scan(a.section(), func(e *Entry) error {
		if e.Name != chartFile {
			return nil
		}
		files, err := a.appendSmall(nil, e)
		if err == nil {
			m, err = a.parse(files, nil)
		}
		if err == nil {
			err = errStop
		}
		return err
	})
	if err == nil && m == nil {
		_, err = a.parse(nil, nil)
	}
	if err != nil && !errors.Is(err, errStop) {
		return nil, err
	}
	return m, nil
}

func (a *Archive) parse(chartYAML, requirements [][]byte) (*Metadata, error) {
	if len(chartYAML) == 0 {
		return nil, &ArchiveError{Path: a.path, Problem: "has no Chart.yaml", Err: fmt.Errorf("%w: %w", ErrInvalidArchive, ErrNotChart)}
	}
	m, err := parseMetadata(chartYAML, requirements)
	if err == nil {
		err = m.Validate()
	}
	return m, atPath(a.path, err)
}

// atPath says which chart a metadata error is about.
func atPath(path string, err error) error {
	if err == nil || path == "" {
		return err
	}
	return fmt.Errorf("%s: %w", shown(path), err)
}

// appendSmall reads a file that is kept in memory. The lenient reader's files
// of one name add up, so that all of them together are bounded.
func (a *Archive) appendSmall(files [][]byte, e *Entry) ([][]byte, error) {
	size := e.Size
	for _, f := range files {
		size += int64(len(f))
	}
	if size > maxMetadata {
		return nil, a.fault(e.Name, fmt.Sprintf("has more than %d bytes", maxMetadata), ErrTooLarge)
	}
	data, err := io.ReadAll(e)
	return append(files, data), err
}
