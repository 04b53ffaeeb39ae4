// Package portolan is the map of the module; it exports nothing.
//
// Portolan keeps Helm charts in OCI registries: one reference, one login, one
// registry, no index to keep in sync. Data flows one way through its packages:
// a string becomes a reference, its host selects credentials, a request goes
// to the registry, the answer is kept by the cache and read as a chart.
//
//   - [github.com/portolan-oci/portolan/chart]: start here. A Client that
//     pushes, pulls, copies and resolves charts, lists their versions and
//     fetches their dependencies; packages whose bytes depend on their content
//     alone; safe reading and unpacking of archives.
//   - [github.com/portolan-oci/portolan/chart/classic]: chart repositories with
//     an index.yaml.
//   - [github.com/portolan-oci/portolan/chart/provenance]: signatures as Helm
//     makes them, and a Verifier of them.
//   - [github.com/portolan-oci/portolan/registry]: references, one client for
//     all hosts with their mirrors, one repository at a time, what a registry
//     can do, and errors that say what to do.
//   - [github.com/portolan-oci/portolan/registry/hostfile]: how hosts are
//     reached, from registries.conf and containerd's hosts.toml.
//   - [github.com/portolan-oci/portolan/registry/layout]: OCI image layouts as
//     sources and targets.
//   - [github.com/portolan-oci/portolan/auth]: who the caller is at a host: the
//     credentials that docker, Helm, podman, helpers, plugins and the
//     environment have, tokens, login and logout. Its modules acr, ecr and gar
//     add the identity that a program has in a cloud.
//   - [github.com/portolan-oci/portolan/auth/device]: the OAuth 2 device flow.
//   - [github.com/portolan-oci/portolan/cache]: verified content by digest,
//     shared by goroutines and processes. It never fails a read that the
//     registry can serve.
//   - [github.com/portolan-oci/portolan/registry/registrytest]: a registry
//     within the test's process that misbehaves on request, and a run that
//     tells whether any registry conforms.
//
// The program in examples/quickstart uses the core of them; examples/portolan is a
// command line built on nothing else.
package portolan
