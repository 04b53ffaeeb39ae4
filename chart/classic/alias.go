package classic

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/userdir"
	"github.com/portolan-oci/portolan/registry"
)

// DefaultAliasesPath is where "helm repo add" keeps names and URLs:
// $HELM_REPOSITORY_CONFIG, else repositories.yaml in $HELM_CONFIG_HOME, in
// $XDG_CONFIG_HOME/helm, or in the system's place for Helm's configuration. It
// fails when there is no home directory to be found.
func DefaultAliasesPath() (string, error) {
	if path := os.Getenv("HELM_REPOSITORY_CONFIG"); path != "" {
		return path, nil
	}
	dir, err := userdir.HelmConfig()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "repositories.yaml"), nil
}

// Aliases reads the names that "helm repo add" has given to repositories, from
// its repositories.yaml, and returns their URLs. Passwords in that file are not
// read: they belong where the registry client finds credentials. No error
// shows any of them. Errors are the file system's, or tell that the file cannot
// be read as YAML.
func Aliases(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := limit.ReadAll(f, maxAliases)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var file struct {
		Repositories []*struct {
			Name string `json:"name"`
			URL  string `json:"url"`
		} `json:"repositories"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%s: not a list of repositories as Helm writes it", path) // the cause may quote a password
	}
	all := map[string]string{}
	for _, r := range file.Repositories {
		if r == nil || r.Name == "" {
			continue
		}
		if _, twice := all[r.Name]; !twice { // the first wins, as with Helm
			all[r.Name] = r.URL
		}
	}
	return all, nil
}

// Repositories opens chart repositories by URL or alias, each once, so that
// all who ask for one share its index. It is safe for concurrent use.
type Repositories struct {
	client  *chart.Client
	aliases map[string]string
	options Options

	mu   sync.Mutex
	open map[string]*Repository
}

// NewRepositories makes a set whose repositories are opened with these options;
// nil is the zero value. aliases are names and their URLs, as Aliases reads
// them; nil is none. Both are copied.
func NewRepositories(client *chart.Client, aliases map[string]string, options *Options) *Repositories {
	s := &Repositories{client: client, aliases: maps.Clone(aliases), open: map[string]*Repository{}}
	if options != nil {
		s.options = *options
	}
	return s
}

// Open returns the repository of an https://, http:// or file:// URL, or of
// "@name" or "alias:name", as dependencies of charts name them. It makes no
// request. A name that is no alias is registry.ErrNotFound; other errors are
// those of the function Open. What it returns is a *Repository, and belongs to
// the set, which closes it: the method is what chart.DependencyOptions takes as
// Repositories.
func (s *Repositories) Open(_ context.Context, address string) (chart.Repository, error) {
	name, ok := strings.CutPrefix(address, "@")
	if !ok {
		name, ok = strings.CutPrefix(address, "alias:")
	}
	if ok {
		known := s.aliases[name]
		if known == "" {
			return nil, &registry.Error{Op: "open chart repository", Kind: registry.ErrNotFound,
				Err: fmt.Errorf("no repository has the name %s", quoted(name)), Hint: "give its URL, or add the name"}
		}
		address = known
	}
	key := strings.TrimRight(address, "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.open[key]; r != nil {
		return r, nil
	}
	r, err := Open(s.client, address, &s.options)
	if err != nil {
		return nil, err
	}
	s.open[key] = r
	return r, nil
}

// Close closes all repositories of the set.
func (s *Repositories) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for key, r := range s.open {
		errs = append(errs, r.Close())
		delete(s.open, key)
	}
	return errors.Join(errs...)
}
