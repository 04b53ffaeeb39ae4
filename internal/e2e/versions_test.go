package e2e_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// versionRow is a row of the table in docs/versions.md.
type versionRow struct {
	line      int
	reference string            // with @tag for the digest of what that tag names
	version   string            // of the flag; empty: not given
	want      map[string]string // by program: a tag, or a word for a failure
}

// readVersionTables reads the two tables of docs/versions.md: the tags of each
// repository, and what each input means.
func readVersionTables(t *testing.T) (tags map[string][]string, rows []versionRow) {
	t.Helper()
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	tags = map[string][]string{}
	for i, text := range strings.Split(string(readFile(t, filepath.Join(root, "docs", "versions.md"))), "\n") {
		text = strings.ReplaceAll(text, `\|`, "\x00") // a bar within a cell
		cells := strings.Split(text, "|")
		if len(cells) < 4 || !strings.HasPrefix(text, "| `") {
			continue
		}
		for j := range cells {
			cells[j] = strings.ReplaceAll(strings.TrimSpace(cells[j]), "\x00", "|")
		}
		if len(cells) == 4 {
			tags[code(cells[1])] = strings.Fields(code(cells[2]))
			continue
		}
		if len(cells) != 7 {
			t.Fatalf("docs/versions.md:%d has %d columns", i+1, len(cells)-2)
		}
		row := versionRow{line: i + 1, reference: code(cells[1]), version: code(cells[2]), want: map[string]string{}}
		helm, ours := code(cells[3]), code(cells[4])
		row.want["helm3"], row.want["helm4"], row.want["portolan"] = helm, helm, ours
		equal := helm == ours || helm == "error" && (ours == "refused" || ours == "not found")
		if said := cells[5] == "equal"; said != equal {
			t.Errorf("docs/versions.md:%d says %q, and the answers are %q and %q", row.line, cells[5], helm, ours)
		}
		rows = append(rows, row)
	}
	return tags, rows
}

func code(cell string) string { return strings.ReplaceAll(cell, "`", "") }

// putVersions stores a chart of its own under each tag, and returns the
// archives' sums and the manifests' digests by tag.
func putVersions(t *testing.T, reg *registryServer, repository string, tags []string) (archives, digests map[string]string) {
	t.Helper()
	archives, digests = map[string]string{}, map[string]string{"absent": "sha256:" + sum([]byte("absent"))}
	for _, tag := range tags {
		version := strings.ReplaceAll(tag, "_", "+")
		if strings.Trim(tag[:1], "v0123456789") != "" {
			version = "0.1.0" // of a tag that is no version
		}
		file := filepath.Join(t.TempDir(), "chart.tgz")
		writeArchive(t, file, tarEntry{body: fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %q\ndescription: under %s\n", filepath.Base(repository), version, tag)}.named(filepath.Base(repository)+"/Chart.yaml"))
		data := readFile(t, file)
		archives[sum(data)] = tag
		config, err := json.Marshal(map[string]string{"name": filepath.Base(repository), "version": version, "description": "under " + tag, "apiVersion": "v2"})
		if err != nil {
			t.Fatal(err)
		}
		digests[tag] = reg.putManifest(t, repository, tag, imageManifest{
			SchemaVersion: 2,
			Config:        reg.putBlob(t, repository, "application/vnd.cncf.helm.config.v1+json", config),
			Layers:        []descriptor{reg.putBlob(t, repository, "application/vnd.cncf.helm.chart.content.v1.tar+gzip", data)},
		})
	}
	return archives, digests
}

func (e tarEntry) named(name string) tarEntry {
	e.Name = name
	return e
}

// failures are the words of the table for how portolan fails.
var failures = map[int]string{exitUsage: "refused", exitNotFound: "not found"}

// TestVersionTable holds docs/versions.md to what Helm 3, Helm 4 and portolan
// do.
func TestVersionTable(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	u := newUser(t)
	tags, rows := readVersionTables(t)
	if len(tags) < 5 || len(rows) < 50 {
		t.Fatalf("docs/versions.md has %d repositories and %d rows", len(tags), len(rows))
	}
	archives, digests := map[string]map[string]string{}, map[string]map[string]string{}
	for name, list := range tags {
		archives[name], digests[name] = putVersions(t, reg, "team/"+name, list)
	}
	for i, row := range rows {
		name, _, _ := strings.Cut(strings.NewReplacer(":", " ", "@", " ").Replace(row.reference), " ")
		ref, tag, pinned := strings.Cut(row.reference, "@")
		if pinned {
			ref += "@" + digests[name][tag]
		}
		args := func(scheme, dest string) []string {
			args := []string{"pull", scheme + reg.ref("team/%s", ref), "-d", dest}
			if row.version != "" {
				args = append(args, "--version", row.version)
			}
			return args
		}
		for program, want := range row.want {
			dest := u.dir("pulled", fmt.Sprint(i), program)
			var r result
			if program == "portolan" {
				r = u.portolan(args("", dest)...)
			} else {
				r = u.start("", helms[program].binary(t), append(args("oci://", dest), "--plain-http")...)
			}
			got := "error"
			if files := listFiles(t, dest); r.code == 0 && len(files) == 1 {
				got = archives[name][sum(readFile(t, filepath.Join(dest, files[0])))]
			} else if program == "portolan" {
				got = failures[r.code]
			}
			if got != want {
				t.Errorf("docs/versions.md:%d: %s with --version %q: %s answers %q, the table says %q\n%s", row.line, row.reference, row.version, program, got, want, r.stderr)
			}
		}
	}
}
