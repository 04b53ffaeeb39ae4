// Package chart keeps Helm charts in OCI registries. It reads, checks and makes
// charts: their metadata, their archives, and the manifests under which
// registries keep them.
//
// # Registries
//
// A [Client] pushes and pulls charts, resolves references and ranges to what
// they name now, and lists versions, through a cache if it has one. What it
// answers says where it came from and which bytes it is. [Client.Keep] holds a
// packed chart under its reference until it is pushed, as docker does with
// images. [Client.Copy] moves charts between registries, OCI layouts and
// archives. A [Verifier] judges what comes in before a byte of it is used.
//
// # Dependencies
//
// [Client.UpdateDependencies] and [Client.BuildDependencies] fill charts/ and
// keep Chart.lock as Helm does, in parallel and through the cache, and pin what
// it names by digest.
//
// # Making
//
// [Package] turns a chart directory into a .tgz archive whose bytes depend on
// the chart alone: two checkouts on two machines give the same digest. [Pack]
// adds config and manifest, byte for byte those of "helm push", without asking
// any registry. The result is a registry.Source, from which any target can be
// filled.
//
// # Reading
//
// [Open], [NewArchive] and [Read] give an [Archive], which streams its entries
// and refuses what could do harm; [Archive.Unpack] puts them into a directory,
// whole or not at all. [ReadManifest] and [ParseConfig] read what a
// registry answers.
//
// Helm 3 and 4 read all that this package writes, and this package reads what
// they write.
package chart
