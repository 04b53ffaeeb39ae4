package registry

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
)

// parseCertificates reads every certificate of a PEM file. It does not use
// x509.CertPool.AppendCertsFromPEM, which skips what it cannot read.
func parseCertificates(pemBytes []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for {
		block, rest := pem.Decode(pemBytes)
		if block == nil {
			break
		}
		pemBytes = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, errors.New("no PEM certificate in it")
	}
	return all, nil
}
