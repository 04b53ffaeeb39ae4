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
// file's mode is then tightened to 0600. Errors match ErrPlaintextRefused,
// ErrConfigInvalid (a file that does not parse is never written over) or
// ErrHelper, or are those of the file system or the context.
func (f *FileStore) Put(ctx context.Context, r Resource, c Credential) (Origin, error) {
	if err := c.check(); err != nil {
		return Origin{}, fmt.Errorf("store the credential for %s: %w", r, err)
	}
	if r.Path != "" && !f.pathKeys {
		return Origin{}, &Error{
			Stage: StageConfig, Origin: f.origin(r.String()),
			Message: "docker keeps one credential for each host, and would use one for a path everywhere on it",
			Hint:    "log in to " + r.Host + ", or keep it in Helm's file",
		}
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
	key := canonicalKey(r)
	origin, err := f.helpers.store(ctx, suffix, key, c)
	if err != nil {
		return Origin{}, err
	}
	// What the file still holds for this host would be readable for nothing.
	err = f.update(ctx, false, func(cfg *config) (bool, error) {
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
	key := canonicalKey(r)
	err := f.update(ctx, true, func(cfg *config) (bool, error) {
		raw, found := cfg.auths.get(key)
		if found {
			if old, err := decodeEntry(raw); err == nil && holdsSame(old, c) {
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
	return fmt.Sprintf("the secret is kept in readable form in %s; a credential helper (credsStore) would keep it better", f.path)
}

// Delete implements Store. It removes the entries for exactly r under every
// spelling of its host, and asks the helper to forget it.
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
		keys := []string{canonicalKey(r)}
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
	keys := spellings(r)
	if r.Path == "" && r.isHub() {
		keys = append(keys, hubTokenKeys...)
	}
	var removed []Origin
	err := f.update(ctx, false, func(cfg *config) (bool, error) {
		removed = nil
		for _, key := range keys {
			for _, k := range cfg.auths.matchKeys(key) {
				cfg.auths = cfg.auths.without(k)
				removed = append(removed, f.origin(k))
			}
		}
		return len(removed) > 0, nil
	})
	if err != nil {
		return nil, err
	}
	return removed, nil
}
