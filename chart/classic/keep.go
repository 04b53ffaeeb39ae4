package classic

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/internal/atomicfile"
	"github.com/portolan-oci/portolan/internal/limit"
)

// record stands beside a kept index, in <Dir>/<sha256 of the URL>/record.json,
// and names its file: <sha256 of the content>.yaml. Index files are never
// changed, and the record is replaced as a whole, so that processes do not see
// each other's half.
type record struct {
	validators
	Digest    string    `json:"digest"` // SHA-256 in hexadecimal
	Size      int64     `json:"size"`
	Confirmed time.Time `json:"confirmed"`
}

const recordName = "record.json"

// keptDir is where the index of this repository is kept. The URL itself is not
// written down: its query may hold a secret.
func (r *Repository) keptDir() string {
	sum := sha256.Sum256([]byte(r.base.String()))
	return filepath.Join(r.options.Dir, hex.EncodeToString(sum[:]))
}

func (r *Repository) readRecord() (record, error) {
	var rec record
	f, err := os.Open(filepath.Join(r.keptDir(), recordName))
	if err != nil {
		return rec, err
	}
	defer f.Close()
	data, err := limit.ReadAll(f, maxRecord)
	if err == nil {
		err = json.Unmarshal(data, &rec)
	}
	if raw, herr := hex.DecodeString(rec.Digest); err == nil && (herr != nil || len(raw) != sha256.Size) {
		err = errors.New("the record names no file") // it could lead anywhere
	}
	return rec, err
}

// kept opens the index that is kept, nil where there is none that is good.
// Nothing in the directory is believed: the file must be what its name says.
func (r *Repository) kept(ctx context.Context) *loaded {
	if r.options.Dir == "" {
		return nil
	}
	rec, err := r.readRecord()
	if err != nil {
		return nil
	}
	f, err := os.Open(filepath.Join(r.keptDir(), rec.Digest+".yaml"))
	if err != nil {
		return nil
	}
	sum := sha256.New()
	n, err := io.Copy(sum, limit.WithContext(ctx, f))
	if err != nil || n != rec.Size || hex.EncodeToString(sum.Sum(nil)) != strings.ToLower(rec.Digest) {
		f.Close()
		return nil
	}
	x, err := readIndex(ctx, f, n, r.options.MaxWhole)
	if err != nil {
		return nil
	}
	if rec.Confirmed.After(time.Now()) {
		rec.Confirmed = time.Time{} // by a clock gone wrong
	}
	return &loaded{x, rec.validators, rec.Confirmed}
}

// confirm notes that the server still has the index that is kept.
func (r *Repository) confirm(x *loaded) {
	if r.options.Dir == "" {
		return
	}
	rec, err := r.readRecord()
	if err != nil || rec.validators != x.validators {
		return // another process has kept another one since
	}
	rec.Confirmed = x.confirmed
	if err := r.writeRecord(rec); err != nil {
		r.log.Warn("index cannot be kept", "dir", r.options.Dir, "error", err)
	}
}

func (r *Repository) writeRecord(rec record) error {
	data, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(filepath.Join(r.keptDir(), recordName), data, 0o666)
}

// keeping is an index on its way into the directory.
type keeping struct {
	repository *Repository
	file       *os.File
	sum        hash.Hash
	n          int64
}

func (r *Repository) newKeeping() (*keeping, error) {
	dir := r.keptDir()
	// Private, as a cache is: what a repository lists may be.
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "download-*")
	if err != nil {
		return nil, err
	}
	return &keeping{repository: r, file: f, sum: sha256.New()}, nil
}

func (k *keeping) Write(p []byte) (int, error) {
	n, err := k.file.Write(p)
	k.sum.Write(p[:n])
	k.n += int64(n)
	return n, err
}

// open gives a reader of its own of what was written.
func (k *keeping) open() (*os.File, error) { return os.Open(k.file.Name()) }

// commit gives the file its name, and then lets the record name it.
func (k *keeping) commit(x *loaded) error {
	rec := record{x.validators, hex.EncodeToString(k.sum.Sum(nil)), k.n, x.confirmed}
	if err := k.file.Close(); err != nil {
		return err
	}
	name := rec.Digest + ".yaml"
	if err := os.Rename(k.file.Name(), filepath.Join(k.repository.keptDir(), name)); err != nil {
		return err
	}
	if err := k.repository.writeRecord(rec); err != nil {
		return err
	}
	k.repository.sweep(name)
	return nil
}

// stale is the age from which a file that no record names is nobody's: a
// process that is about to name or to open it has had it for less.
const stale = time.Hour

// sweep removes older indexes, and what killed processes have left.
func (r *Repository) sweep(current string) {
	list, err := os.ReadDir(r.keptDir())
	if err != nil {
		return
	}
	for _, e := range list {
		info, err := e.Info()
		if err == nil && e.Name() != current && e.Name() != recordName && time.Since(info.ModTime()) > stale {
			os.Remove(filepath.Join(r.keptDir(), e.Name()))
		}
	}
}

func (k *keeping) discard() {
	k.file.Close()
	os.Remove(k.file.Name())
}
