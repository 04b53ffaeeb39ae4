// Package variant makes copies of a chart that differ in all that is not its
// content, for tests which want to see that nothing else counts.
package variant

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Chart is the content of a chart directory: its files by their paths, with
// slashes. Charts in its charts/ are directories there.
type Chart map[string]string

// Read reads a chart directory.
func Read(dir string) (Chart, error) {
	c := make(Chart)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		c[name] = string(data)
		return err
	})
	return c, err
}

// Write writes the chart into dir, which is made, in one of many ways, which
// seed selects: the files are made in another order, with other times and
// modes, and each chart in a charts/ is a directory of its own name or another,
// or an archive.
func (c Chart) Write(dir string, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 0))
	files := c.scramble(r)
	for _, name := range shuffled(r, files) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o600); err != nil {
			return err
		}
		modes := []fs.FileMode{0o600, 0o644, 0o640, 0o755, 0o700, 0o666, 0o4755}
		if err := os.Chmod(path, modes[r.IntN(len(modes))]); err != nil {
			return err
		}
		when := moment(r)
		if err := os.Chtimes(path, when, when); err != nil {
			return err
		}
	}
	return nil
}

// scramble gives each chart in charts/ another form, innermost first.
func (c Chart) scramble(r *rand.Rand) Chart {
	out := maps.Clone(c)
	names := make(map[string]bool)
	for name := range c {
		if dir, ok := strings.CutSuffix(name, "/Chart.yaml"); ok {
			if child, ok := strings.CutPrefix(dir, "charts/"); ok && !strings.Contains(child, "/") && child[0] != '_' && child[0] != '.' {
				names[child] = true
			}
		}
	}
	for _, child := range slices.Sorted(maps.Keys(names)) {
		sub := make(Chart)
		for name, data := range c {
			if rel, ok := strings.CutPrefix(name, "charts/"+child+"/"); ok {
				sub[rel] = data
				delete(out, name)
			}
		}
		sub = sub.scramble(r)
		switch r.IntN(4) {
		case 0:
			out.put("charts/"+child, sub)
		case 1:
			out.put("charts/a-directory-"+strconv.Itoa(r.IntN(1e6)), sub)
		default:
			out["charts/"+child+"-"+strconv.Itoa(r.IntN(1e6))+".tgz"] = sub.pack(r)
		}
	}
	return out
}

func (c Chart) put(dir string, files Chart) {
	for name, data := range files {
		c[dir+"/"+name] = data
	}
}

// pack makes an archive, not the one that our own packaging would make.
func (c Chart) pack(r *rand.Rand) string {
	var b bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&b, 1+r.IntN(9)) // any of these levels is one
	zw.Comment, zw.ModTime = "variant", moment(r)
	tw := tar.NewWriter(zw)
	for _, name := range shuffled(r, c) {
		// Neither fails: it is memory that they write to.
		_ = tw.WriteHeader(&tar.Header{Name: "top/" + name, Mode: int64(0o600 + r.IntN(0o200)), Size: int64(len(c[name])),
			ModTime: moment(r), Uid: r.IntN(1000), Uname: "sailor", Format: tar.FormatPAX})
		_, _ = tw.Write([]byte(c[name]))
	}
	_ = tw.Close()
	_ = zw.Close()
	return b.String()
}

func shuffled(r *rand.Rand, c Chart) []string {
	names := slices.Sorted(maps.Keys(c))
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names
}

// moment is a time from 1980 on, which every file system holds.
func moment(r *rand.Rand) time.Time {
	return time.Unix(315_532_800+r.Int64N(1_700_000_000), r.Int64N(1e9))
}
