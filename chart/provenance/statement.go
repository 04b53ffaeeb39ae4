package provenance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"sigs.k8s.io/yaml"

	"github.com/portolan-oci/portolan/chart"
)

// separator stands between Chart.yaml and the checksums: the mark that ends a
// YAML document, since the one that begins it would be taken for OpenPGP's.
const separator = "\n...\n"

// statement is what a provenance file says: the archive of that name has that
// digest, and is the chart with this metadata.
type statement struct {
	metadata *chart.Metadata
	file     string
	archive  digest.Digest
}

// fileName is the name that Helm gives to the archive of a chart.
func fileName(m *chart.Metadata) string { return m.Name + "-" + m.Version + ".tgz" }

// text writes a statement byte for byte as Helm does, from the metadata that
// its loader has read.
func (s *statement) text() ([]byte, error) {
	meta, err := yaml.Marshal(s.metadata)
	if err != nil {
		return nil, err
	}
	sums, err := yaml.Marshal(map[string]any{"files": map[string]string{s.file: s.archive.String()}})
	if err != nil {
		return nil, err
	}
	return append(append(meta, separator...), sums...), nil
}

// readStatement reads what a trusted key has signed. Helm looks at the second
// part alone, ignores a third, and takes whichever file fits: a text that says
// more than one thing is refused here.
func readStatement(text []byte) (*statement, error) {
	parts := bytes.Split(text, []byte(separator))
	if len(parts) != 2 {
		return nil, fmt.Errorf("the signed text has %d parts instead of two, Chart.yaml and checksums", len(parts))
	}
	m, err := chart.ParseMetadata(parts[0])
	if err == nil {
		err = m.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("the signed Chart.yaml: %w", err)
	}
	s := &statement{metadata: m}
	if s.file, s.archive, err = readSums(parts[1]); err != nil {
		return nil, err
	}
	if want := fileName(m); s.file != want {
		return nil, fmt.Errorf("the signed Chart.yaml is that of %q, the checksum that of %q", want, s.file)
	}
	return s, nil
}

// readSums reads "files:", with one name and its digest. Other keys, such as
// "images:", say nothing about the archive.
func readSums(text []byte) (name string, sum digest.Digest, err error) {
	const most = 4 << 10 // a name of 255 bytes and a digest of 71 take 400
	if len(text) > most {
		return "", "", fmt.Errorf("the signed checksums have more than %d bytes", most)
	}
	data, err := yaml.YAMLToJSONStrict(text)
	var top map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(data, &top)
	}
	var files map[string]string
	if err == nil && top["files"] != nil {
		err = json.Unmarshal(top["files"], &files)
	}
	if err != nil {
		return "", "", fmt.Errorf("the signed checksums cannot be read: %s", shown(err.Error()))
	}
	if len(files) != 1 {
		return "", "", fmt.Errorf("the signed checksums are of %d files instead of one", len(files))
	}
	for name, sum := range files {
		d := digest.Digest(sum)
		if d.Validate() != nil || d.Algorithm() != digest.SHA256 {
			return "", "", fmt.Errorf("the signed checksum %q is no sha256 digest", shown(sum))
		}
		return name, d, nil
	}
	return "", "", errors.New("no file") // not reached: there is one
}
