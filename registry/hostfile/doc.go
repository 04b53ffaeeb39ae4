// Package hostfile reads how hosts are reached out of the files that container
// tools already have: podman's and CRI-O's registries.conf ([LoadRegistries],
// containers-registries.conf(5)), and containerd's hosts.toml ([LoadHosts],
// https://github.com/containerd/containerd/blob/main/docs/hosts.md). What it
// returns fits registry.Options.Hosts and registry.Options.Aliases, and
// registry.LayerHosts puts several under one another.
//
// A file that is broken, says what is not known, or asks for what cannot be
// done, is an [Error] with its line; what is ignored on purpose is listed at
// each function.
package hostfile
