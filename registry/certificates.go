package registry

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

var pemBegin = []byte("-----BEGIN ")

// parseCertificates reads every certificate of a PEM file; what else stands in
// it is passed by. It uses neither x509.CertPool.AppendCertsFromPEM, which
// skips what it cannot read, nor does it let pem.Decode skip a broken block.
func parseCertificates(pemBytes []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for rest := pemBytes; ; {
		start := nextBlock(rest)
		if start < 0 {
			break
		}
		line := 1 + bytes.Count(pemBytes[:len(pemBytes)-len(rest)+start], []byte("\n"))
		block, after := pem.Decode(rest[start:])
		// A broken block is skipped with what follows, up to the end of one that
		// is whole.
		if skipped := rest[start : len(rest)-len(after)]; block == nil || nextBlock(skipped[1:]) >= 0 {
			return nil, fmt.Errorf("line %d: a broken PEM block begins here", line)
		}
		rest = after
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, errors.New("no PEM certificate in it")
	}
	return all, nil
}

// nextBlock finds the next beginning of a PEM block: at the start of a line,
// as RFC 7468 has it. -1: none.
func nextBlock(b []byte) int {
	if bytes.HasPrefix(b, pemBegin) {
		return 0
	}
	if i := bytes.Index(b, append([]byte("\n"), pemBegin...)); i >= 0 {
		return i + 1
	}
	return -1
}
