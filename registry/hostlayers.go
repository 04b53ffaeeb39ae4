package registry

// LayerHosts makes one function for Options.Hosts of several: each field is
// taken from the first of them that sets it, that is to a value other than its
// zero value. PlainHTTP and TLS are one field: a layer that sets either decides
// both, so that neither a CA file of one layer is joined with the client
// certificate of another, nor plain HTTP with TLS. Lists are not joined: the
// first layer with mirrors, rewrites or headers has them all.
//
// Every layer is asked; the error of any fails. A nil function is passed over.
func LayerHosts(layers ...func(host string) (HostConfig, error)) func(host string) (HostConfig, error) {
	return func(host string) (HostConfig, error) {
		var c HostConfig
		for _, layer := range layers {
			if layer == nil {
				continue
			}
			next, err := layer(host)
			if err != nil {
				return HostConfig{}, err
			}
			c = c.over(next)
		}
		return c, nil
	}
}

// over fills what c leaves open.
func (c HostConfig) over(next HostConfig) HostConfig {
	if !c.PlainHTTP && c.TLS == nil {
		c.PlainHTTP, c.TLS = next.PlainHTTP, next.TLS
	}
	c.PlaintextCredentials = c.PlaintextCredentials || next.PlaintextCredentials
	if c.Proxy == nil {
		c.Proxy = next.Proxy
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = next.DialTimeout
	}
	if len(c.Header) == 0 {
		c.Header = next.Header
	}
	if c.UserAgent == "" {
		c.UserAgent = next.UserAgent
	}
	if c.MaxConcurrent == 0 {
		c.MaxConcurrent = next.MaxConcurrent
	}
	if c.RequestsPerSecond == 0 {
		c.RequestsPerSecond = next.RequestsPerSecond
	}
	if len(c.Mirrors) == 0 {
		c.Mirrors = next.Mirrors
	}
	if len(c.Rewrites) == 0 {
		c.Rewrites = next.Rewrites
	}
	return c
}
