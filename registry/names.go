package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/portolan-oci/portolan/internal/limit"
)

// errNoList is about an answer of 200 that is not the list that was asked for.
var errNoList = errors.New("the answer is no list of names in JSON")

// names are the pages of a list of names, {"tags": [...]}, under its key.
func names(e engine, key string, most int, sizes []int) pages[string] {
	return pages[string]{
		engine: e,
		accept: "application/json",
		most:   most,
		sizes:  sizes,
		decode: func(resp *http.Response) ([]string, error) { return decodeNames(resp.Body, key) },
		key:    func(name string) string { return name },
	}
}

// errMangled is about a list of which a part came, or in which something else
// did: it is no JSON. Lists have no digest to tell by.
var errMangled error = &sentinel{"it is no JSON", []error{ErrUnavailable}}

// decodeNames reads one page; of what else stands there nothing is kept. A list
// that is null or missing is empty.
func decodeNames(r io.Reader, key string) ([]string, error) {
	dec := json.NewDecoder(limit.NewReader(r, maxPage))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, noList(err)
	}
	var list []string
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, noList(err)
		}
		var part []string
		if name != key {
			err = dec.Decode(new(json.RawMessage))
		} else {
			err = dec.Decode(&part)
		}
		if err != nil {
			return nil, noList(err)
		}
		list = append(list, part...)
	}
	if _, err := dec.Token(); err != nil {
		return nil, noList(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, noList(err)
	}
	return list, nil
}

// noList says what is wrong with a page; what broke off is no registry's fault
// but the connection's, or the limit's.
func noList(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	switch {
	case err == nil || err == errNoList:
		return errNoList
	case errors.Is(err, limit.ErrExceeded):
		return fmt.Errorf("page of a list: %w", err)
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w: %w", errNoList, errMangled, err)
	}
	return fmt.Errorf("%w: %w", errNoList, err)
}
