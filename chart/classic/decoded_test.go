package classic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }

// answers is all that an index answers: the entries of each chart, and for
// each that is invalid its place.
type answers map[string][]string

// byParts reads an index as the package does.
func byParts(text string) (answers, error) {
	x, err := readIndex(context.Background(), memoryFile{bytes.NewReader([]byte(text))}, int64(len(text)), DefaultMaxWhole)
	if err != nil {
		return nil, err
	}
	defer x.file.Close()
	return x.answers()
}

// streamed is byParts, and fails where the index has to be read whole.
func streamed(text string) (answers, error) {
	t, err := scan(context.Background(), strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	x := &index{memoryFile{bytes.NewReader([]byte(text))}, t}
	return x.answers()
}

func (x *index) answers() (answers, error) {
	all := answers{}
	for _, name := range x.table.names {
		all[name] = []string{}
		err := x.entries(context.Background(), name, "", func(e *Entry, fault *EntryError) error {
			if fault != nil {
				all[name] = append(all[name], fmt.Sprintf("invalid %d", fault.Position))
				return nil
			}
			data, err := json.Marshal(e)
			all[name] = append(all[name], string(data))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// decoded reads an index as Helm does, all at once.
func decoded(text string) (answers, error) {
	var index struct {
		APIVersion string              `json:"apiVersion"`
		Entries    map[string][]*Entry `json:"entries"`
	}
	data := []byte(text)
	var err error
	if json.Valid(data) {
		err = json.Unmarshal(data, &index)
	} else {
		err = yaml.Unmarshal(data, &index)
	}
	if err != nil {
		return nil, err
	}
	if index.APIVersion == "" {
		return nil, errors.New("no apiVersion")
	}
	all := answers{}
	for name, list := range index.Entries {
		all[name] = []string{}
		for i, e := range list {
			if e == nil || e.validate() != nil {
				all[name] = append(all[name], fmt.Sprintf("invalid %d", i))
				continue
			}
			data, err := json.Marshal(e)
			if err != nil {
				return nil, err
			}
			all[name] = append(all[name], string(data))
		}
	}
	return all, nil
}
