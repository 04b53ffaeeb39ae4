module github.com/portolan-oci/portolan/internal/e2e

go 1.26.0

require (
	github.com/portolan-oci/portolan v0.0.0
	golang.org/x/crypto v0.58.0
)

require (
	github.com/ProtonMail/go-crypto v1.5.2
	github.com/cloudflare/circl v1.6.3 // indirect
	golang.org/x/sys v0.49.0
)

replace github.com/portolan-oci/portolan => ../..
