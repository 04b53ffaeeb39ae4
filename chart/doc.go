// Package chart reads, checks and makes Helm charts: their metadata, their
// archives, and the manifests under which registries keep them.
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
