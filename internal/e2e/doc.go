// Package e2e drives the portolan command against real programs: the
// distribution registry, Helm 3 and 4, crane, oras and regctl, each built from a
// pinned module and run as a process of its own on loopback, and nginx of the
// system.
//
// The programs are built at first use and kept in the user's cache directory.
// The tests need Go, the module proxy and Linux; some cases mount a small file
// system, or want an nginx, and say so where they cannot. The command under test is no input
// that the go command knows of: run with -count=1.
package e2e
