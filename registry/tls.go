package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/portolan-oci/portolan/internal/limit"
)

// TLS is what a TLS connection to one host needs beyond the defaults. The zero
// value is HTTPS as it is without it, to a loopback host too. A TLS that has
// been handed to a client must not be changed.
type TLS struct {
	// Roots are trusted in addition to the system's.
	Roots []*x509.Certificate
	// ExclusiveRoots trusts Roots alone, the system's not. Without Roots it is
	// an error.
	ExclusiveRoots bool
	// Certificates identify this client, where the host asks for one, beside
	// those of LoadKeyPair. The first one that suits what the host asks for is
	// shown; none is no failure here, the host says what it thinks of it.
	Certificates []tls.Certificate
	// InsecureSkipVerify accepts any certificate of the host. It says nothing
	// about plain HTTP: that is never fallen back to.
	InsecureSkipVerify bool
	// AnyHost tells that these settings were not made for this host by its name,
	// as those of containerd's _default. InsecureSkipVerify does not hold then
	// for a token server that nothing but a registry's challenge has named: it
	// gets passwords.
	AnyHost bool

	pairs []*keyPair
}

// LoadTLS reads PEM files: caFile with root certificates, certFile and
// keyFile with a client certificate and its key. An empty name is none; half
// a pair is an error. See LoadRoots and LoadKeyPair for what else is.
func LoadTLS(caFile, certFile, keyFile string) (*TLS, error) {
	t := new(TLS)
	if caFile != "" {
		if err := t.LoadRoots(caFile); err != nil {
			return nil, err
		}
	}
	if certFile == "" && keyFile == "" {
		return t, nil
	}
	if certFile == "" || keyFile == "" {
		return nil, errors.New("a client certificate needs both its certificate file and its key file")
	}
	if err := t.LoadKeyPair(certFile, keyFile); err != nil {
		return nil, err
	}
	return t, nil
}

// LoadRoots adds the certificates of a PEM file of at most 4 MiB to t.Roots. A
// file that cannot be read, that has none, or of whose certificates one is
// broken, is an error that names the file, and in the latter case the line.
func (t *TLS) LoadRoots(caFile string) error {
	pemBytes, err := readPEM(caFile)
	if err != nil {
		return fmt.Errorf("CA file: %w", err)
	}
	roots, err := parseCertificates(pemBytes)
	if err != nil {
		return fmt.Errorf("CA file %s: %w", caFile, err)
	}
	t.Roots = append(t.Roots, roots...)
	return nil
}

// LoadKeyPair adds a client certificate with its key, from PEM files of at most
// 4 MiB that may be one and the same. They are read now, and an error names
// them; and again at the handshake that comes after they have changed, as
// certificates that live for hours do. A changed pair that cannot be used, as
// one that is half written, leaves the one before it in use until that expires;
// the connection fails after that.
func (t *TLS) LoadKeyPair(certFile, keyFile string) error {
	pair, err := loadKeyPair(certFile, keyFile)
	if err != nil {
		return err
	}
	t.pairs = append(t.pairs, pair)
	return nil
}

// maxPEM holds the largest bundles of authorities twenty times: those of
// Mozilla and of the distributions have some 150 certificates and 220 KiB.
const maxPEM = 4 << 20

// readPEM opens nothing but regular files: a pipe would be waited for.
func readPEM(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := limit.ReadAll(io.Reader(f), maxPEM)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// tlsConfig never sets a server name: it follows the host that is dialled.
func (c HostConfig) tlsConfig() (*tls.Config, error) {
	if c.TLS == nil {
		return nil, nil
	}
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		Certificates:       c.TLS.Certificates,
		InsecureSkipVerify: c.TLS.InsecureSkipVerify,
	}
	if len(c.TLS.pairs) > 0 {
		config.GetClientCertificate = c.TLS.clientCertificate
	}
	if len(c.TLS.Roots) > 0 {
		pool, err := c.TLS.pool()
		if err != nil {
			return nil, fmt.Errorf("system certificates: %w", err)
		}
		for _, root := range c.TLS.Roots {
			pool.AddCert(root)
		}
		config.RootCAs = pool
	}
	return config, nil
}

func (t *TLS) pool() (*x509.CertPool, error) {
	if t.ExclusiveRoots {
		return x509.NewCertPool(), nil
	}
	return x509.SystemCertPool()
}
