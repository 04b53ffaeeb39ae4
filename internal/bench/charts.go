package bench

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

// Chart is what the contenders carry: one chart as a directory and as an
// archive that Helm made of it.
type Chart struct {
	Label         string // its size, as the tables call it
	Name, Version string
	Dir, Archive  string
	Size          int64 // of the archive, in bytes
}

// realChart is a chart of usual size among those of the corpus.
const realChart = "kube-state-metrics-8.4.0.tgz"

// SmallChart puts a chart of some 20 KB into the directory work: a real one,
// from the folder shared/corpus beside the repository, where there is one,
// else one of its kind.
func SmallChart(work string) (Chart, error) {
	dir := filepath.Join(work, "small")
	if corpus, ok := findCorpus(); ok {
		if err := chartutil.ExpandFile(dir, filepath.Join(corpus, realChart)); err != nil {
			return Chart{}, err
		}
		return load("small", filepath.Join(dir, "kube-state-metrics"), work)
	}
	dir = filepath.Join(dir, "harbour")
	err := writeChart(dir, "harbour", func(file func(string, []byte) error) error {
		noise := rand.NewChaCha8([32]byte{})
		for i := range 24 {
			if err := file(fmt.Sprintf("templates/quay-%02d.yaml", i), template(noise)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Chart{}, err
	}
	return load("small", dir, work)
}

// template is text that compresses about as well as templates do: a line in
// eight is like no other.
func template(noise *rand.ChaCha8) []byte {
	var b bytes.Buffer
	b.WriteString("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n")
	for i := range 64 {
		value := uint64(i)
		if i%8 == 0 {
			value = noise.Uint64()
		}
		fmt.Fprintf(&b, "  berth-%02d: {{ .Values.berth | default %q | quote }}\n", i, fmt.Sprintf("%016x", value))
	}
	return b.Bytes()
}

// piece is a size of files that every contender accepts: Helm takes none of
// more than 5 MiB.
const piece = 2 << 20

// LargeChart puts a chart of that many MB into the directory work, all of it
// incompressible. Helm takes no more than 100 MB.
func LargeChart(work string, megabytes int) (Chart, error) {
	label := fmt.Sprintf("%d MB", megabytes)
	dir := filepath.Join(work, label, "cargo")
	err := writeChart(dir, "cargo", func(file func(string, []byte) error) error {
		noise := rand.NewChaCha8([32]byte{1})
		for i, left := 0, megabytes*1_000_000; left > 0; i, left = i+1, left-piece {
			content := make([]byte, min(left, piece))
			if _, err := io.ReadFull(noise, content); err != nil {
				return err
			}
			if err := file(fmt.Sprintf("files/hold-%02d.bin", i), content); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Chart{}, err
	}
	return load(label, dir, work)
}

func writeChart(dir, name string, fill func(file func(name string, content []byte) error) error) error {
	file := func(name string, content []byte) error {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, content, 0o644)
	}
	err := file("Chart.yaml", fmt.Appendf(nil, "apiVersion: v2\nname: %s\nversion: 1.0.0\ndescription: for measuring\n", name))
	if err != nil {
		return err
	}
	return fill(file)
}

func load(label, dir, work string) (Chart, error) {
	c, err := loader.LoadDir(dir)
	if err != nil {
		return Chart{}, err
	}
	archive, err := chartutil.Save(c, filepath.Join(work, "archives", label))
	if err != nil {
		return Chart{}, err
	}
	info, err := os.Stat(archive)
	if err != nil {
		return Chart{}, err
	}
	return Chart{Label: label, Name: c.Metadata.Name, Version: c.Metadata.Version, Dir: dir, Archive: archive, Size: info.Size()}, nil
}

// findCorpus looks beside the repository in which the working directory is.
func findCorpus() (dir string, ok bool) {
	at, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for ; filepath.Dir(at) != at; at = filepath.Dir(at) {
		mod, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err != nil || !bytes.HasPrefix(mod, []byte("module github.com/portolan-oci/portolan\n")) {
			continue
		}
		dir = filepath.Join(filepath.Dir(at), "shared", "corpus")
		_, err = os.Stat(filepath.Join(dir, realChart))
		return dir, err == nil
	}
	return "", false
}
