package auth

import (
	"context"
	"errors"
	"fmt"
)

// Put implements Store. The credential goes to the helper that the file names
// for the host, which gets the host alone; else, for paths, and for registry
// tokens, which helpers cannot hold, into the file. A secret in the file is
// readable by whoever reads it, so that depends on the plaintext policy; the
// file's mode is then tightened to 0600.
//
// Users of this package take turns at the file. Of the programs that take no
// lock (docker, podman, Helm), one that writes between our reading and our
// replacing is noticed, and what it wrote is kept. One that has read the file
// before and writes what it remembers afterwards takes our entry away, and
// nothing can keep it from that; so Put looks again after a tenth of a second
// and, where its entry has gone back to what it was, puts it there again. Lost
// is only what a program takes away that held the file in memory for longer,
// such as a docker login that waits for its user meanwhile.
//
// Errors match ErrPlaintextRefused, ErrConfigInvalid (a file that does not
// parse is never written over) or ErrHelper, or are those of the file system or
// the context.
func (f *FileStore) Put(ctx context.Context, r Resource, c Credential) (Origin, error) {
	if err := c.check(); err != nil {
		return Origin{}, fmt.Errorf("store the credential for %s: %w", r, err)
	}
	if err := f.profile.refuse(r, c); err != nil {
		return Origin{}, err
	}
	cfg, err := f.load()
	if err != nil {
		return Origin{}, err
	}
	suffix, err := cfg.helper(hostKeys(r))
	if err != nil {
		return Origin{}, f.invalid(r.Host, err)
	}
	if suffix == "" || r.Path != "" || !c.RegistryToken.IsZero() {
		return f.putEntry(ctx, r, c)
	}
	key := f.profile.key(r)
	origin, err := f.helpers.store(ctx, suffix, key, c)
	if err != nil {
		return Origin{}, err
	}
	// What the file still holds for this host would be readable for nothing.
	_, err = f.update(ctx, false, func(cfg *config) (bool, error) {
		raw, found := cfg.auths.get(key)
		if !found {
			return false, nil
		}
		if old, err := decodeEntry(raw); err == nil && old.IsZero() {
			return false, nil
		}
		marker, err := encodeEntry(raw, Credential{})
		cfg.auths = cfg.auths.with(key, marker)
		return true, err
	})
	if err != nil {
		return origin, fmt.Errorf("the credential is in %s, but an older one stays in %s: %w", origin, f.path, err)
	}
	return origin, nil
}

func (f *FileStore) putEntry(ctx context.Context, r Resource, c Credential) (Origin, error) {
	key := f.profile.key(r)
	_, err := f.update(ctx, true, func(cfg *config) (bool, error) {
		raw, found := cfg.auths.get(key)
		if found {
			if old, err := f.profile.decode(raw); err == nil && holdsSame(old, c) {
				return false, nil // files may be read-only and right already (docker/cli#5553)
			}
		}
		if f.opts.Plaintext == PlaintextRefuse {
			return false, &Error{
				Stage: StageConfig, Origin: f.origin(key), Err: ErrPlaintextRefused,
				Message: "the secret would be kept in readable form",
				Hint:    "configure a credential helper there (credsStore), or allow plaintext",
			}
		}
		updated, err := encodeEntry(raw, c)
		cfg.auths = cfg.auths.with(key, updated)
		return true, err
	})
	if err != nil {
		return Origin{}, err
	}
	if f.opts.Plaintext == PlaintextWarn {
		f.log.WarnContext(ctx, "secret kept in readable form", "file", f.path, "key", key)
	}
	return f.origin(key), nil
}

// holdsSame tells whether an entry that reads as old already says c.
func holdsSame(old, c Credential) bool {
	if c.Username == "" && !c.IdentityToken.IsZero() {
		c.Username = nullUser
	}
	return old.sameSecrets(c)
}

// plaintextWarning tells about a credential that Put has left readable.
func (f *FileStore) plaintextWarning(at Origin) string {
	if f.opts.Plaintext != PlaintextWarn || at.Location != f.path {
		return ""
	}
	return fmt.Sprintf(`the secret is kept in readable form in %s; to keep it in a credential helper, install one such as docker-credential-pass, write "credHelpers": {%q: "pass"} into that file, and log in again`, f.path, at.Key)
}

// Delete implements Store. It removes the entries for exactly r under every
// spelling of its host, and asks the helper to forget it. Beside programs that
// take no lock it does as Put does.
func (f *FileStore) Delete(ctx context.Context, r Resource) ([]Origin, error) {
	cfg, err := f.load()
	if err != nil {
		return nil, err
	}
	var removed []Origin
	var failures []error
	if suffix, err := cfg.helper(hostKeys(r)); err != nil {
		failures = append(failures, f.invalid(r.Host, err))
	} else if suffix != "" && r.Path == "" {
		keys := []string{f.profile.key(r)}
		if r.isHub() {
			keys = append(keys, hubTokenKeys...)
		}
		for _, key := range keys {
			origin, found, err := f.helpers.erase(ctx, suffix, key)
			if err != nil {
				failures = append(failures, err)
				break
			}
			if found {
				removed = append(removed, origin)
			}
		}
	}
	filed, err := f.deleteEntries(ctx, r)
	return append(removed, filed...), errors.Join(append(failures, err)...)
}

func (f *FileStore) deleteEntries(ctx context.Context, r Resource) ([]Origin, error) {
	keys := f.profile.keys(r)
	if r.Path == "" && r.isHub() {
		keys = append(keys, hubTokenKeys...)
	}
	gone, err := f.update(ctx, false, func(cfg *config) (bool, error) {
		found := false
		for _, key := range keys {
			for _, k := range cfg.auths.matchKeys(key) {
				cfg.auths = cfg.auths.without(k)
				found = true
			}
		}
		return found, nil
	})
	var removed []Origin
	for _, key := range gone {
		removed = append(removed, f.origin(key))
	}
	return removed, err
}
