// Package provenance signs charts and verifies them as Helm does, with .prov
// files: Chart.yaml and the archive's checksum in a text that an OpenPGP key
// has signed (helm.sh/docs/topics/provenance). What "helm package --sign"
// writes is accepted here, and "helm verify" and "helm pull --verify" accept
// what is made here.
//
// A [Keyring] holds the keys that the caller trusts, or signs with.
// [NewSigner] makes a chart.Signer, for chart.PackOptions; [NewVerifier] makes
// a chart.Verifier, for chart.ClientOptions; [Verify] does the same for files.
//
// # What differs from Helm
//
// Helm wants a checksum under the file name that it has made from repository
// and tag, and ignores the signed Chart.yaml. Here the text has to be about one
// chart, and that the one that was asked for: an old, rightly signed version
// under a new tag is refused, one under another spelling of its version is
// not. See [Verify] and [Verifier.Verify] for all rules.
//
// The OpenPGP library is the one that Helm uses. No other package of this
// module links it.
package provenance
