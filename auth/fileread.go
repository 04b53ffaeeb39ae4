package auth

import (
	"context"
	"errors"
	"io/fs"

	"github.com/portolan-oci/portolan/internal/limit"
)

// Credential implements Provider. It looks for the longest path of r that has
// an entry, then for the host: in the helper that the file names for it, else
// in the file under the canonical and the legacy spellings of the host, in a
// fixed order. Keys of other paths never answer. An entry that cannot be read
// is passed by, and reported when nothing else answers. Errors match
// ErrNoCredential, ErrConfigInvalid or ErrHelper, or are the context's.
func (f *FileStore) Credential(ctx context.Context, r Resource) (Credential, error) {
	cfg, err := f.read()
	if errors.Is(err, fs.ErrNotExist) {
		return Credential{}, ErrNoCredential
	}
	if err != nil {
		return Credential{}, err
	}
	c, causes, err := f.find(ctx, cfg, r)
	switch {
	case err != nil:
		return Credential{}, err
	case c.IsZero():
		return Credential{}, noCredential(causes)
	}
	return c, nil
}

// find returns the credential for r, or a zero one, and what is wrong with the
// entries and the helper that stand before it. The error is the context's.
func (f *FileStore) find(ctx context.Context, cfg *config, r Resource) (Credential, []error, error) {
	var causes []error
	e := f.entries(cfg)
	if c := e.path(r, &causes); !c.IsZero() {
		return c, causes, nil
	}
	filed := e.host(r, &causes)
	suffix, err := cfg.helper(hostKeys(r))
	if err != nil {
		return Credential{}, append(causes, f.invalid(r.Host, err)), nil
	}
	if suffix == "" {
		return filed, causes, nil
	}
	c, err := f.helpers.get(ctx, suffix, f.profile.key(Resource{Host: r.Host}))
	if ctx.Err() != nil {
		return Credential{}, nil, context.Cause(ctx)
	}
	if err != nil {
		causes = append(causes, causesOf(err)...)
	}
	if !filed.RegistryToken.IsZero() {
		// Helpers cannot hold a registry token, so the file's counts beside them.
		if err != nil {
			c.Origin = filed.Origin
		}
		c.RegistryToken = filed.RegistryToken
	}
	return c, causes, nil
}

func (f *FileStore) entries(cfg *config) entries {
	return entries{f.profile, f.origin(""), cfg.auths}
}

func (f *FileStore) origin(key string) Origin {
	return Origin{Kind: f.profile.kind, Location: f.path, Key: key}
}

func (f *FileStore) invalid(key string, cause error) error {
	return invalidConfig(f.origin(key), cause)
}

// read reads the file for a look-up. A missing one is fs.ErrNotExist as it is.
func (f *FileStore) read() (*config, error) {
	data, err := readConfig(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, f.invalid("", err)
	}
	cfg, err := f.profile.parse(data)
	if err != nil {
		return nil, f.invalid("", err)
	}
	return cfg, nil
}

// readConfig reads a file that must be regular: a look-up shall not wait on a
// pipe.
func readConfig(path string) ([]byte, error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return limit.ReadAll(file, maxConfig)
}
