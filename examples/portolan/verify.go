package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/provenance"
)

// verifyFlags say whether charts must be signed, and by whom.
type verifyFlags struct {
	on      bool
	keyring string
}

const keyringUsage = "`file` of OpenPGP keys (default: pubring.gpg or pubring.kbx in $GNUPGHOME, else ~/.gnupg)"

// verifyFlags adds them to a command that pulls.
func (a *app) verifyFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.verify.on, "verify", false, "take the chart only if a key of the keyring has signed it, under this name and version")
	cmd.Flags().StringVar(&a.verify.keyring, "keyring", "", keyringUsage)
}

// verifier is what the flags ask for; nil for none.
func (a *app) verifier() (chart.Verifier, error) {
	if !a.verify.on {
		if a.verify.keyring != "" {
			return nil, usagef("--keyring is for --verify")
		}
		return nil, nil
	}
	keys, err := loadKeyring(a.verify.keyring)
	if err != nil {
		return nil, err
	}
	return provenance.NewVerifier(keys, nil)
}

// loadKeyring reads a keyring, or the one that Helm takes: GnuPG's former
// pubring.gpg, and since Helm 4.3 its present pubring.kbx.
func loadKeyring(path string) (*provenance.Keyring, error) {
	if path != "" {
		return provenance.LoadKeyring(path)
	}
	home := os.Getenv("GNUPGHOME")
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		home = filepath.Join(user, ".gnupg")
	}
	keys, err := provenance.LoadKeyring(filepath.Join(home, "pubring.gpg"))
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	keys, err = provenance.LoadKeyring(filepath.Join(home, "pubring.kbx"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("there is no keyring in %s: name one with --keyring", home)
	}
	return keys, err
}
