package auth

import (
	"context"
	"errors"
	"io/fs"
)

// List implements Store: the entries of the file, and what the helpers that it
// names say they keep for the hosts that they are named for. A marker, as
// docker leaves beside a helper, is no entry. A file that is missing has none.
// Where a helper fails the error matches ErrHelper, and the list has what the
// file and the other helpers have. Other errors match ErrConfigInvalid or are
// the context's.
func (f *FileStore) List(ctx context.Context) ([]Entry, error) {
	cfg, err := f.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list := f.entries(cfg).list()
	var failures []error
	for _, suffix := range cfg.helperSuffixes() {
		kept, err := f.listHelper(ctx, cfg, suffix)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			failures = append(failures, err)
		}
		list = append(list, kept...)
	}
	sortEntries(list)
	return list, errors.Join(failures...)
}

func (e entries) list() []Entry {
	var list []Entry
	values, seen := e.auths.index(), make(map[string]bool)
	for _, m := range e.auths {
		if seen[m.key] {
			continue // the last value of a key is the one that counts, for all of them
		}
		seen[m.key] = true
		c, err := e.decode(m.key, values[m.key])
		if err == nil && c.IsZero() {
			continue
		}
		origin := e.source
		origin.Key = m.key
		of, _ := e.profile.resourceOf(m.key)
		entry := Entry{Resource: of, Origin: origin, Err: err}
		if err == nil {
			entry.Username, entry.Kind = c.Username, c.kind()
		}
		list = append(list, entry)
	}
	return list
}

// listHelper lists a helper's keys, of which those count whose host it serves.
func (f *FileStore) listHelper(ctx context.Context, cfg *config, suffix string) ([]Entry, error) {
	users, err := f.helpers.list(ctx, suffix)
	if err != nil {
		return nil, err
	}
	var list []Entry
	for key, user := range users {
		of, known := f.profile.resourceOf(key)
		if serving, err := cfg.helper(hostKeys(of)); !known || of.Path != "" || err != nil || serving != suffix {
			continue
		}
		entry := Entry{Resource: of, Username: user, Origin: helperOrigin(suffix, key)}
		if user == tokenUser {
			entry.Username, entry.Kind = "", "identity token"
		}
		list = append(list, entry)
	}
	return list, nil
}
