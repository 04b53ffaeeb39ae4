module github.com/portolan-oci/portolan/examples/portolan

go 1.26.0

replace github.com/portolan-oci/portolan => ../..

require (
	github.com/opencontainers/go-digest v1.0.0
	github.com/opencontainers/image-spec v1.1.1
	github.com/portolan-oci/portolan v0.0.0
	github.com/spf13/cobra v1.10.2
	github.com/spf13/pflag v1.0.9
	github.com/vbauerster/mpb/v8 v8.9.3
	golang.org/x/term v0.47.0
	sigs.k8s.io/yaml v1.6.0
)

require github.com/aws/smithy-go/aws-http-auth v1.1.3 // indirect

require (
	github.com/Masterminds/semver/v3 v3.5.0 // indirect
	github.com/ProtonMail/go-crypto v1.5.2 // indirect
	github.com/VividCortex/ewma v1.2.0 // indirect
	github.com/acarl005/stripansi v0.0.0-20180116102854-5a71ef0e047d // indirect
	github.com/cloudflare/circl v1.6.3 // indirect
	github.com/docker/docker-credential-helpers v0.9.12 // indirect
	github.com/gofrs/flock v0.13.1 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/mattn/go-runewidth v0.0.16 // indirect
	github.com/pelletier/go-toml/v2 v2.4.3 // indirect
	github.com/portolan-oci/portolan/auth/acr v0.0.0
	github.com/portolan-oci/portolan/auth/ecr v0.0.0
	github.com/portolan-oci/portolan/auth/gar v0.0.0
	github.com/rivo/uniseg v0.4.7 // indirect
	go.yaml.in/yaml/v2 v2.4.2 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/time v0.16.0 // indirect
	oras.land/oras-go/v2 v2.7.0 // indirect
)

replace github.com/portolan-oci/portolan/auth/acr => ../../auth/acr

replace github.com/portolan-oci/portolan/auth/ecr => ../../auth/ecr

replace github.com/portolan-oci/portolan/auth/gar => ../../auth/gar
