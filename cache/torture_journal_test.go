package cache_test

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
)

// tortureJournal is what the cache has promised to keep: pins and what was
// imported. A promise is written after the call that made it has returned, and
// taken back before the call that breaks it: at whatever instruction a process
// is killed, what the journal says is true.
type tortureJournal string

// note adds a line by one write, which a kill cannot tear.
func (j tortureJournal) note(words ...string) error {
	f, err := os.OpenFile(string(j), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(strings.Join(words, "\t") + "\n")
	return err
}

// torturePromise is a kind, pin or held, of a partition, and its tag.
type torturePromise struct{ kind, partition, tag string }

// standing returns the promises that hold, and their manifests' digests.
func (j tortureJournal) standing() (map[torturePromise]digest.Digest, error) {
	all := map[torturePromise]digest.Digest{}
	f, err := os.Open(string(j))
	if os.IsNotExist(err) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		words := strings.Split(lines.Text(), "\t")
		switch {
		case len(words) == 4 && (words[0] == "pin" || words[0] == "held"):
			all[torturePromise{words[0], words[1], words[2]}] = digest.Digest(words[3])
		case len(words) == 3 && (words[0] == "unpin" || words[0] == "unheld"):
			delete(all, torturePromise{strings.TrimPrefix(words[0], "un"), words[1], words[2]})
		default:
			return nil, fmt.Errorf("journal: %q", lines.Text())
		}
	}
	return all, lines.Err()
}
