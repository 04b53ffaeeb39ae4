module github.com/portolan-oci/portolan/auth/gar

go 1.26.0

require github.com/portolan-oci/portolan v0.0.0

require (
	github.com/docker/docker-credential-helpers v0.9.12 // indirect
	github.com/gofrs/flock v0.13.1 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/portolan-oci/portolan => ../..
