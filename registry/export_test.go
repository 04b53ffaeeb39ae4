package registry

import "crypto/tls"

// TLSConfig shows tests what a host's connections are made with.
func TLSConfig(c HostConfig) (*tls.Config, error) { return c.tlsConfig() }

// DialElsewhere shows tests which addresses a registry's answers may lead to.
func DialElsewhere(internal bool, address string) error {
	return dialElsewhere(internal)(nil, "tcp4", address, nil)
}
