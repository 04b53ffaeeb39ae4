module github.com/portolan-oci/portolan/internal/e2e

go 1.26.0

require (
	github.com/portolan-oci/portolan v0.0.0
	golang.org/x/crypto v0.58.0
)

replace github.com/portolan-oci/portolan => ../..
