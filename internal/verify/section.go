package verify

import (
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Section reads a part of a file and verifies it, as long as it is read from
// the start: a seek back to 0 begins anew, one to any other place ends it. So
// an upload of it can be sent again.
type Section struct {
	file     *io.SectionReader
	desc     ocispec.Descriptor
	verified *Reader // nil after a seek into the middle
}

// NewSection checks file against desc; the errors are those of NewReader.
func NewSection(file *io.SectionReader, desc ocispec.Descriptor) (*Section, error) {
	v, err := NewReader(file, desc)
	return &Section{file: file, desc: desc, verified: v}, err
}

// Read implements io.Reader.
func (s *Section) Read(p []byte) (int, error) {
	if s.verified == nil {
		return s.file.Read(p)
	}
	return s.verified.Read(p)
}

// Seek implements io.Seeker.
func (s *Section) Seek(offset int64, whence int) (int64, error) {
	before, err := s.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	at, err := s.file.Seek(offset, whence)
	switch {
	case err != nil:
	case at == 0:
		s.verified, err = NewReader(s.file, s.desc)
	case at != before:
		s.verified = nil
	}
	return at, err
}
