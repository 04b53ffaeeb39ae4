module github.com/portolan-oci/portolan/internal/e2e

go 1.26.0

require (
	github.com/opencontainers/go-digest v1.0.0
	github.com/opencontainers/image-spec v1.1.1
	github.com/portolan-oci/portolan v0.0.0
	golang.org/x/crypto v0.58.0
)

require (
	cuelabs.dev/go/oci/ociregistry v0.0.0-20251212221603-3adeb8663819 // indirect
	github.com/Masterminds/semver/v3 v3.5.0 // indirect
	github.com/docker/docker-credential-helpers v0.9.12 // indirect
	github.com/gofrs/flock v0.13.1 // indirect
	go.yaml.in/yaml/v2 v2.4.2 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/time v0.16.0 // indirect
	oras.land/oras-go/v2 v2.7.0 // indirect
	sigs.k8s.io/yaml v1.6.0 // indirect
)

require (
	github.com/ProtonMail/go-crypto v1.5.2
	github.com/cloudflare/circl v1.6.3 // indirect
	golang.org/x/sys v0.49.0
)

replace github.com/portolan-oci/portolan => ../..
