package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/portolan-oci/portolan/internal/atomicfile"
)

const (
	// maxWriteAttempts is how often an update starts again because a program
	// that takes no lock, such as docker, has changed the file meanwhile. One
	// that writes every 3 ms disturbs every third attempt, and on a busy
	// machine, which takes 20 ms for one, nine of ten: 200 fail once in 10⁹.
	maxWriteAttempts = 200
	lockTimeout      = 30 * time.Second
	// replacePause is how long a reader on Windows may have the file open,
	// which keeps it from being replaced.
	replacePause = 50 * time.Millisecond
	maxSymlinks  = 40 // as the Linux kernel allows
	// settleTime is when Put looks again. Podman and its relatives hold the
	// file for about a millisecond between reading and replacing it; a busy
	// machine stretches that.
	settleTime = 100 * time.Millisecond
	// maxRepairs ends a quarrel with a program that never stops writing: each
	// round takes between one and one and a half of settleTime, so some 5 s.
	maxRepairs = 40
)

// load reads the file for an update; one that is missing is empty.
func (f *FileStore) load() (*config, error) {
	data, err := readConfig(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, f.invalid("", err)
	}
	cfg, err := f.profile.parse(data)
	if err != nil {
		e := f.invalid("", err)
		return nil, fmt.Errorf("%w; it is left as it is: mend or remove it", e)
	}
	return cfg, nil
}

// edit is what a change has made of the entries.
type edit struct{ before, after object }

// keys are those whose entry is another one now.
func (e edit) keys() []string {
	var keys []string
	before, after := e.before.index(), e.after.index()
	for _, m := range slices.Concat(e.before, e.after) {
		was, had := before[m.key]
		is, has := after[m.key]
		if had != has || !bytes.Equal(was, is) {
			keys = append(keys, m.key)
		}
	}
	return unique(keys)
}

// undoneIn tells whether one of the entries says again what it said before the
// edit, whoever has formatted it. What says something new is somebody's login.
func (e edit) undoneIn(now object) bool {
	return slices.ContainsFunc(e.keys(), func(key string) bool {
		was, had := e.before.get(key)
		is, has := now.get(key)
		if !had || !has {
			return had == has
		}
		old, err := decodeEntry(was)
		current, nowErr := decodeEntry(is)
		return bytes.Equal(was, is) || err == nil && nowErr == nil && old.sameSecrets(current)
	})
}

// update applies change to the file as it is now and replaces it, unless
// change has nothing to do; it returns the keys that have changed. The first
// look is without a lock, so that a file that needs no change may lie in a
// directory that cannot be written. A change that somebody undoes, who had read
// the file before and has taken no lock, is made again.
func (f *FileStore) update(ctx context.Context, secret bool, change func(*config) (bool, error)) ([]string, error) {
	cfg, err := f.load()
	if err != nil {
		return nil, err
	}
	if changed, err := change(cfg); err != nil || !changed {
		return nil, err
	}
	var keys []string
	for range maxRepairs {
		done, err := f.change(ctx, secret, change)
		if err != nil {
			return keys, err
		}
		keys = unique(append(keys, done.keys()...))
		if len(done.keys()) == 0 || !f.undone(ctx, done) {
			return keys, nil
		}
		f.log.DebugContext(ctx, "change of a credential file undone by another program", "file", f.path)
	}
	return keys, f.writeError(errors.New("another program keeps undoing the change; try again when it is done"))
}

// undone looks at the file again after a moment. A context that ends cuts the
// moment short, and a file that cannot be read says nothing.
func (f *FileStore) undone(ctx context.Context, done edit) bool {
	if f.settle <= 0 {
		return false
	}
	select {
	case <-time.After(f.settle + rand.N(f.settle/2)): // two that undo each other shall not go on in step
	case <-ctx.Done():
		return false
	}
	cfg, err := f.load()
	return err == nil && done.undoneIn(cfg.auths)
}

// change makes the change under the lock.
func (f *FileStore) change(ctx context.Context, secret bool, change func(*config) (bool, error)) (edit, error) {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return edit{}, context.Cause(ctx)
	}
	target, err := followLinks(f.path)
	if err != nil {
		return edit{}, f.writeError(err)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return edit{}, f.writeError(err)
	}
	unlock, err := lockFile(ctx, target+".lock")
	if err != nil {
		return edit{}, f.writeError(err)
	}
	defer unlock()
	removeLeftovers(target)
	for range maxWriteAttempts {
		done, edited, err := f.replace(target, secret, change)
		if err != nil && runtime.GOOS == "windows" && errors.Is(err, fs.ErrPermission) {
			time.Sleep(replacePause)
			continue
		}
		if done || err != nil {
			return edited, err
		}
		if ctx.Err() != nil {
			return edit{}, context.Cause(ctx)
		}
	}
	return edit{}, f.writeError(errors.New("another program keeps changing it; try again"))
}

// replace is one attempt under the lock. It is not done when the file has
// changed between reading and replacing it.
func (f *FileStore) replace(target string, secret bool, change func(*config) (bool, error)) (done bool, made edit, err error) {
	before, info, err := snapshot(target)
	if err != nil {
		return false, edit{}, f.invalid("", err)
	}
	cfg, err := f.profile.parse(before)
	if err != nil {
		return false, edit{}, f.invalid("", err)
	}
	made.before = cfg.auths
	if changed, err := change(cfg); err != nil || !changed {
		return true, edit{}, err
	}
	made.after = cfg.auths
	mode, err := f.newMode(info, secret)
	if err != nil {
		return false, edit{}, err
	}
	encoded := cfg.encode()
	if len(encoded) > maxConfig { // nobody could read it again
		return false, edit{}, f.writeError(fmt.Errorf("it would have more than %d bytes", maxConfig))
	}
	file, err := atomicfile.Create(target, 0o600)
	if err != nil {
		return false, edit{}, f.writeError(err)
	}
	defer file.Close()
	moment(f.afterCreate)
	if _, err := file.Write(encoded); err != nil {
		return false, edit{}, f.writeError(err)
	}
	keepOwner(file.File, info)
	if err := errors.Join(file.Chmod(mode), f.sync(file.File)); err != nil {
		return false, edit{}, f.writeError(err)
	}
	moment(f.beforeCompare)
	now, _, err := snapshot(target)
	if err != nil || !bytes.Equal(now, before) || (now == nil) != (before == nil) {
		return false, edit{}, nil
	}
	moment(f.beforeCommit)
	if done, err = f.commit(file, target, encoded, before); err != nil {
		return false, edit{}, f.writeError(err)
	}
	if done {
		f.syncDir(filepath.Dir(target))
		moment(f.afterCommit)
	}
	return done, made, nil
}

func (f *FileStore) writeError(cause error) error {
	e := &Error{Stage: StageConfig, Origin: f.origin(""), Message: "it cannot be written", Causes: []error{cause}}
	if errors.Is(cause, fs.ErrPermission) || errors.Is(cause, syscall.EROFS) {
		e.Hint = f.elsewhere
	}
	return e
}

// snapshot reads a file that may be missing.
func snapshot(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	data, err := readConfig(path)
	return data, info, err
}
