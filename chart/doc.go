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
// images.
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
// and refuses what could do harm. [ReadManifest] and [ParseConfig] read what a
// registry answers.
//
// Helm 3 and 4 read all that this package writes, and this package reads what
// they write.
package chart
