module github.com/portolan-oci/portolan/internal/e2e

go 1.26.0

require golang.org/x/crypto v0.58.0

replace github.com/portolan-oci/portolan => ../..
