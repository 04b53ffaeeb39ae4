package classic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"sigs.k8s.io/yaml"

	"github.com/portolan-oci/portolan/chart"
)

// Entry is one version of one chart as the index describes it: what its
// Chart.yaml said when the index was made, and where the archive is. None of
// it has been checked against the archive. It is plain data.
type Entry struct {
	chart.Metadata
	// URLs are where the archive is, to be tried in order: absolute, or relative
	// to the repository's.
	URLs []string `json:"urls"`
	// Digest is the SHA-256 of the archive as the index spells it: in
	// hexadecimal, with or without "sha256:" before it. Empty: nobody vouches
	// for the archive.
	Digest string `json:"digest,omitempty"`
	// Created is when the archive was added.
	Created time.Time `json:"created,omitzero"`
	// Removed marks a version that is listed and no longer there.
	Removed bool `json:"removed,omitempty"`
}

// Layer returns the digest of the archive in the form that registries use;
// empty where the index has none. It is an error where Digest is no SHA-256.
func (e *Entry) Layer() (digest.Digest, error) {
	if e.Digest == "" {
		return "", nil
	}
	text := strings.ToLower(e.Digest)
	d := digest.NewDigestFromEncoded(digest.SHA256, strings.TrimPrefix(text, "sha256:"))
	if err := d.Validate(); err != nil {
		return "", fmt.Errorf("%w: digest %s is no SHA-256 in hexadecimal", ErrInvalidIndex, quoted(e.Digest))
	}
	return d, nil
}

// validate checks an entry as Helm does when it loads an index: a rule that
// is broken hides the entry.
func (e *Entry) validate() error {
	if e.APIVersion == "" {
		e.APIVersion = chart.APIVersionV1
	}
	err := e.Metadata.Validate()
	// Some repositories lose the aliases of dependencies (helm#12748).
	if me, ok := errors.AsType[*chart.MetadataError](err); ok && me.Value != "" &&
		strings.HasPrefix(me.Field, "dependencies[") && strings.HasSuffix(me.Field, "]") {
		return nil
	}
	return err
}

// decode reads an element of a list of entries, dash included.
func decode(raw []byte) (*Entry, error) {
	var list []*Entry
	if err := yaml.Unmarshal(raw, &list); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "))
	}
	if len(list) != 1 || list[0] == nil {
		return nil, errors.New("it is empty")
	}
	return list[0], list[0].validate()
}

// entries passes the entries of one chart, in the order of the index, one
// after the other; those that are invalid as an *EntryError beside what could
// be read of them. want, unless it is empty, is a text without which an entry
// need not be decoded, unless it has escapes, which can spell any text. An
// error of visit ends it and is returned.
func (x *index) entries(ctx context.Context, name, want string, visit func(*Entry, *EntryError) error) error {
	p, ok := x.table.parts[name]
	if !ok {
		return nil
	}
	in := newLineReader(io.NewSectionReader(x.file, p.from, p.to-p.from), maxEntry)
	dash, position := -1, 0
	var raw []byte
	var fault error
	flush := func() error {
		if raw == nil && fault == nil {
			return nil
		}
		position++
		if fault == nil && want != "" && !bytes.Contains(raw, []byte(want)) && bytes.IndexByte(raw, '\\') < 0 {
			return ctx.Err()
		}
		e, err := (*Entry)(nil), fault
		if err == nil {
			e, err = decode(raw)
		}
		if err == nil {
			return errors.Join(ctx.Err(), visit(e, nil))
		}
		problem := &EntryError{Chart: name, Position: position - 1, Err: err}
		if e != nil {
			problem.Version = e.Version
		}
		return errors.Join(ctx.Err(), visit(e, problem))
	}
	for {
		line, err := in.next()
		if err == io.EOF {
			return flush()
		}
		if err != nil {
			return fmt.Errorf("read index: %w", err) // the scan has seen every line
		}
		text := bytes.TrimLeft(line, " ")
		if column := len(line) - len(text); len(text) > 0 && text[0] == '-' && (dash < 0 || column == dash) {
			if err := flush(); err != nil {
				return err
			}
			dash, raw, fault = column, []byte{}, nil
		}
		switch {
		case dash < 0 || fault != nil:
		case len(raw)+len(line) > maxEntry:
			raw, fault = nil, fmt.Errorf("it has more than %d bytes", maxEntry)
		default:
			raw = append(raw, line...)
		}
	}
}
