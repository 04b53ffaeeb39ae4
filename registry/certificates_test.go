package registry

import (
	"encoding/pem"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzParseCertificates: each block that says it is a certificate is one of
// them, or the file is refused.
func FuzzParseCertificates(f *testing.F) {
	s := httptest.NewTLSServer(nil)
	good := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	s.Close()
	f.Add(good)
	f.Add("text\n" + good + "-----BEGIN X509 CRL-----\nAA==\n-----END X509 CRL-----\n" + good)
	f.Add(good[:len(good)/2] + "\n" + good)
	f.Add("-----BEGIN CERTIFICATE-----\r\nAA==\r\n-----END CERTIFICATE-----\r\n")
	f.Add("-----BEGIN CERTIFICATE-----")
	f.Fuzz(func(t *testing.T, data string) {
		all, err := parseCertificates([]byte(data))
		if err != nil {
			return
		}
		announced := strings.Count("\n"+data, "\n-----BEGIN CERTIFICATE-----")
		if len(all) == 0 || len(all) != announced {
			t.Fatalf("%d certificates of %d", len(all), announced)
		}
	})
}
