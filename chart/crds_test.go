package chart_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/chart"
)

func crds(t *testing.T, a *chart.Archive) (list []string, err error) {
	t.Helper()
	for e, err := range a.CRDs(t.Context()) {
		if err != nil {
			return list, err
		}
		data, err := io.ReadAll(e)
		if err != nil || int64(len(data)) != e.Size {
			t.Errorf("%s: %d bytes of %d, %v", e.Name, len(data), e.Size, err)
		}
		list = append(list, fmt.Sprintf("%s: %s", e.Name, data))
	}
	return list, nil
}

func TestCRDs(t *testing.T) {
	chain := with(chartFiles("chain", "1.0.0"), "crds", map[string]string{"link.json": "chain's"})
	buoy := with(chartFiles("buoy", "1.0.0"), "crds", map[string]string{"float.yml": "buoy's"})
	buoy = with(buoy, "charts", map[string]string{"chain.tgz": packedFiles(t, chain)})
	packedBuoy := packedFiles(t, buoy)
	data := tgz(t, file("pier/charts/x/crds/x.yaml", "x's"), file("pier/charts/_off/crds/no.yaml", ""), file("pier/charts/buoy-1.0.0.tgz", packedBuoy),
		file("pier/crds/b.yaml", "b"), file("pier/crds/a/A.YAML", "a"), file("pier/crds/README.md", "no"), file("pier/templates/crds/x.yaml", "no"))
	got, err := crds(t, archive(t, data, nil))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"crds/b.yaml: b", "crds/a/A.YAML: a", "charts/buoy-1.0.0.tgz/crds/float.yml: buoy's",
		"charts/buoy-1.0.0.tgz/charts/chain.tgz/crds/link.json: chain's", "charts/x/crds/x.yaml: x's"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("CRDs (-want +got):\n%s", diff)
	}
	for range archive(t, data, nil).CRDs(t.Context()) {
		break // leaving early is no error
	}
	if got, err := crds(t, archive(t, tgz(t, file("pier/Chart.yaml", "")), nil)); err != nil || len(got) != 0 {
		t.Errorf("CRDs of a chart without any: %v, %v", got, err)
	}
}

// Nothing is given out of an archive that turns out hostile, be it at its end
// or in an archive within.
func TestCRDsRefuse(t *testing.T) {
	first := file("pier/crds/a.yaml", "a")
	inner := maps.Clone(chartFiles("x", "1.0.0"))
	inner["charts/README.md"] = ""
	for name, tc := range map[string]struct {
		last entry
		want error
		says string
	}{
		"a link at the end":       {special(tar.TypeSymlink, "pier/x", "/etc"), chart.ErrUnsafeArchive, "pier/x"},
		"a damaged archive":       {file("pier/charts/x.tgz", "\x1f\x8b\x08"), chart.ErrInvalidArchive, "charts/x.tgz"},
		"a hostile archive":       {file("pier/charts/x.tgz", string(tgz(t, file("x/../../y", "")))), chart.ErrUnsafeArchive, "x/../../y"},
		"what Helm does not load": {file("pier/charts/x.tgz", packedFiles(t, inner)), chart.ErrInvalidArchive, "charts/README.md"},
	} {
		got, err := crds(t, archive(t, tgz(t, first, tc.last), nil))
		if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) || len(got) != 0 {
			t.Errorf("%s: %v, error = %v, want %v with %s", name, got, err, tc.want, tc.says)
		}
	}
}

func TestReadme(t *testing.T) {
	for name, tc := range map[string]struct {
		files []entry
		want  string
	}{
		"in lower case":      {[]entry{file("pier/readme.md", "md")}, "readme.md: md"},
		"text before none":   {[]entry{file("pier/README", "none"), file("pier/ReadMe.TXT", "txt")}, "ReadMe.TXT: txt"},
		"the best is first":  {[]entry{file("pier/README.md", "md"), file("pier/README", "none")}, "README.md: md"},
		"not in a directory": {[]entry{file("pier/docs/README.md", "md"), file("pier/README", "none")}, "README: none"},
	} {
		got, content, err := archive(t, tgz(t, tc.files...), nil).Readme()
		if text := fmt.Sprintf("%s: %s", got, content); err != nil || text != tc.want {
			t.Errorf("%s: %s, %v; want %s", name, text, err, tc.want)
		}
	}
	if _, _, err := archive(t, tgz(t, file("pier/a", "")), nil).Readme(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v, want fs.ErrNotExist", err)
	}
}
