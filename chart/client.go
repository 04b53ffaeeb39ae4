package chart

import (
	"errors"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// ClientOptions configure a Client. Registry is required; the zero value of
// the rest is a client without a cache, with default limits.
type ClientOptions struct {
	// Registry speaks to the registries.
	Registry *registry.Client
	// Cache keeps what was pulled and packed, for one identity: what it holds
	// it gives to whoever reads through it, so clients of different users need
	// a Store each, on one directory with a cache.Options.Partition each. nil:
	// nothing is kept, and every pull downloads.
	Cache *cache.Store
	// Policy says when the cache asks the registry, in place of the Cache's own;
	// see Client.WithPolicy for one call. nil: the Cache's own, which confirms
	// every tag with one request unless cache.Options.Policy says otherwise.
	// Without a Cache it has nothing to say, but that Offline asks nobody.
	Policy *cache.Policy
	// Archives bounds the archives that Pull and Kept open.
	Archives ArchiveOptions
	// Verifier decides about every chart that Pull finds, before a byte of its
	// archive is asked for or handed out. nil: nobody does.
	Verifier Verifier
}

// Client keeps charts in registries. It is immutable and safe for concurrent
// use. Its errors come from the registry (see registry.Error), the cache, or
// this package's own sentinels. What it does can be watched, see
// registry.WithProgress.
type Client struct {
	registry *registry.Client
	cache    *cache.Store
	policy   cache.Policy
	archives ArchiveOptions
	verifier Verifier
}

// NewClient makes a client. Options are copied; a missing Registry is an
// error.
func NewClient(options *ClientOptions) (*Client, error) {
	if options == nil || options.Registry == nil {
		return nil, errors.New("chart client: no registry client")
	}
	c := &Client{
		registry: options.Registry,
		cache:    options.Cache,
		archives: options.Archives,
		verifier: options.Verifier,
	}
	if c.cache == nil {
		c.cache = cache.None()
	}
	c.policy = c.cache.Policy()
	if options.Policy != nil {
		c.policy = *options.Policy
	}
	return c, nil
}

// WithPolicy returns a client that reads under another policy and shares all
// else, for one call as in client.WithPolicy(cache.Policy{Offline: true}).Pull.
func (c *Client) WithPolicy(policy cache.Policy) *Client {
	other := *c
	other.policy = policy
	return &other
}

// NewDefault makes a client with the user's own credentials (see
// registry.NewDefault) and cache (see cache.DefaultDir). Where the environment
// gives no place for a cache, as in many containers, it has none.
func NewDefault() (*Client, error) {
	r, err := registry.NewDefault()
	if err != nil {
		return nil, err
	}
	store := cache.None()
	if dir, err := cache.DefaultDir(); err == nil {
		if store, err = cache.Open(dir, nil); err != nil {
			return nil, err
		}
	}
	return NewClient(&ClientOptions{Registry: r, Cache: store})
}

// source opens the repository of ref for reading, through the cache if there
// is one.
func (c *Client) source(ref registry.Reference) (*cache.Source, error) {
	repo, err := c.registry.Repository(ref)
	if err != nil {
		return nil, err
	}
	return c.cache.Through(repo, ref, c.policy), nil
}
