package chart

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// TestReopening: an upload that must begin again reads the source anew, and one
// that never began does not read it at all.
func TestReopening(t *testing.T) {
	opened, closed := 0, 0
	r := &reopening{open: func() (io.ReadCloser, error) {
		opened++
		return struct {
			io.Reader
			io.Closer
		}{strings.NewReader("content"), closer(func() { closed++ })}, nil
	}}
	if at, err := r.Seek(0, io.SeekCurrent); at != 0 || err != nil || opened != 0 {
		t.Fatalf("at %d, %v, opened %d times", at, err, opened)
	}
	if _, err := io.ReadFull(r, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if at, err := r.Seek(0, io.SeekCurrent); at != 3 || err != nil {
		t.Errorf("at %d, %v", at, err)
	}
	if _, err := r.Seek(5, io.SeekStart); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("seek into the middle: %v", err)
	}
	if at, err := r.Seek(0, io.SeekStart); at != 0 || err != nil || closed != 1 {
		t.Errorf("at %d, %v, closed %d times", at, err, closed)
	}
	if data, err := io.ReadAll(r); string(data) != "content" || err != nil || opened != 2 {
		t.Errorf("%q, %v, opened %d times", data, err, opened)
	}
	if err := r.Close(); err != nil || closed != 2 {
		t.Errorf("%v, closed %d times", err, closed)
	}
	if _, err := r.Read(make([]byte, 1)); err == nil {
		t.Error("read after the end")
	}
}

type closer func()

func (c closer) Close() error { c(); return nil }
