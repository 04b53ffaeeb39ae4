package registry

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// keyPair is a client certificate that follows its files. Safe for concurrent
// use.
type keyPair struct {
	certFile, keyFile string

	mu     sync.Mutex
	loaded tls.Certificate
	files  fileStamps // as they were before they were read
}

// fileStamps tell whether files were changed: written, or replaced by others,
// as a Kubernetes secret volume does by turning a link.
type fileStamps [2]fs.FileInfo

func (s fileStamps) same(o fileStamps) bool {
	for i := range s {
		if !os.SameFile(s[i], o[i]) || s[i].Size() != o[i].Size() || !s[i].ModTime().Equal(o[i].ModTime()) {
			return false
		}
	}
	return true
}

func loadKeyPair(certFile, keyFile string) (*keyPair, error) {
	p := &keyPair{certFile: certFile, keyFile: keyFile}
	var err error
	p.loaded, p.files, err = p.read()
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (p *keyPair) stat() (s fileStamps, err error) {
	for i, name := range []string{p.certFile, p.keyFile} {
		if s[i], err = os.Stat(name); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (p *keyPair) read() (pair tls.Certificate, s fileStamps, err error) {
	fail := func(err error) (tls.Certificate, fileStamps, error) {
		return tls.Certificate{}, s, fmt.Errorf("client certificate %s with key %s: %w", p.certFile, p.keyFile, err)
	}
	if s, err = p.stat(); err != nil {
		return fail(err)
	}
	cert, err := readPEM(p.certFile)
	if err != nil {
		return fail(err)
	}
	key, err := readPEM(p.keyFile)
	if err != nil {
		return fail(err)
	}
	if pair, err = tls.X509KeyPair(cert, key); err != nil {
		return fail(err)
	}
	return pair, s, nil
}

// certificate answers with what is in the files, or with what was in them as
// long as that is good for something. Handshakes at the same time may each read
// the files; no lock is held meanwhile.
func (p *keyPair) certificate() (*tls.Certificate, error) {
	p.mu.Lock()
	have, files := p.loaded, p.files
	p.mu.Unlock()
	if s, err := p.stat(); err == nil && s.same(files) {
		return &have, nil
	}
	pair, s, err := p.read()
	if err != nil {
		if have.Leaf != nil && time.Now().Before(have.Leaf.NotAfter) {
			return &have, nil // and the files are looked at again at the next handshake
		}
		return nil, err
	}
	p.mu.Lock()
	p.loaded, p.files = pair, s
	p.mu.Unlock()
	return &pair, nil
}

// clientCertificate implements tls.Config.GetClientCertificate. Where nothing
// suits it shows nothing, as crypto/tls does with Certificates; a pair that
// cannot be read any more counts as one that would have suited.
func (t *TLS) clientCertificate(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	for i := range t.Certificates {
		if request.SupportsCertificate(&t.Certificates[i]) == nil {
			return &t.Certificates[i], nil
		}
	}
	var broken error
	for _, p := range t.pairs {
		cert, err := p.certificate()
		switch {
		case err != nil && broken == nil:
			broken = err
		case err == nil && request.SupportsCertificate(cert) == nil:
			return cert, nil
		}
	}
	if broken != nil {
		return nil, broken
	}
	return new(tls.Certificate), nil
}
