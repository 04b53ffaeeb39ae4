package registry

import "crypto/tls"

// TLSConfig shows tests what a host's connections are made with.
func TLSConfig(c HostConfig) (*tls.Config, error) { return c.tlsConfig() }
