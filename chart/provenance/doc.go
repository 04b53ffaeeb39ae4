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
// # What is stricter than in Helm
//
// Helm asks whether a key of the keyring has signed a text that names a file
// with the archive's checksum. Here the text also has to be about the chart
// that was asked for: a registry that serves an old, rightly signed version
// under a new tag is refused. See [Verify] and [Options] for all rules.
//
// The OpenPGP library is the one that Helm uses. No other package of this
// module links it.
package provenance
