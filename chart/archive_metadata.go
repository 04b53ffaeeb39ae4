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
	var files metadataFiles
	err := a.scan(r, func(e *Entry) error {
		_, err := files.take(a, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.finish(files)
}

// checkedMetadata is Metadata without reading again what has been read.
func (a *Archive) checkedMetadata() (*Metadata, error) {
	if m := a.known.Load(); m != nil {
		return m.clone(), nil
	}
	return a.Metadata()
}

// metadataFiles are the files that Metadata comes from, as a scan meets them.
type metadataFiles struct{ chartYAML, requirements [][]byte }

// take reads e if it is one of them, and returns nil for any other.
func (f *metadataFiles) take(a *Archive, e *Entry) (data []byte, err error) {
	files := &f.chartYAML
	switch e.Name {
	case chartFile:
	case requirementsFile:
		files = &f.requirements
	default:
		return nil, nil
	}
	if *files, err = a.appendSmall(*files, e); err != nil {
		return nil, err
	}
	return (*files)[len(*files)-1], nil
}

// finish turns into metadata what a scan found that came to its end.
func (a *Archive) finish(files metadataFiles) (*Metadata, error) {
	m, err := a.parse(files.chartYAML, files.requirements)
	if err != nil {
		return nil, err
	}
	a.known.Store(m.clone())
	return m, nil
}

// UnverifiedMetadata returns what the first Chart.yaml says, and reads no
// further: most archives begin with it, and cost some 64 KiB to read then
// whatever their size. It is for display only. What follows has not been
// looked at: dependencies in requirements.yaml are not in it, and in an archive
// that Metadata refuses another Chart.yaml may contradict it. Nothing that
// packs, saves or decides uses it. Errors as for Metadata.
func (a *Archive) UnverifiedMetadata() (*Metadata, error) {
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
