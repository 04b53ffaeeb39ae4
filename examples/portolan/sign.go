package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/provenance"
)

// signFlags say who signs a chart; the names are Helm's.
type signFlags struct {
	on                           bool
	key, keyring, passphraseFile string
}

func (s *signFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.on, "sign", false, "sign the chart; its provenance file is <name>-<version>.tgz.prov")
	cmd.Flags().StringVar(&s.key, "key", "", "the key's `name`: a part of its user ID, or the end of its fingerprint (default: the only one)")
	cmd.Flags().StringVar(&s.keyring, "keyring", "", "`file` of OpenPGP keys with their secret halves, as gpg --export-secret-keys writes it (default: see pull)")
	cmd.Flags().StringVar(&s.passphraseFile, "passphrase-file", "", "`file` whose first line is the key's passphrase; - for standard input (default: ask)")
}

// signer is what the flags ask for; nil for none.
func (a *app) signer(ctx context.Context, flags signFlags) (chart.Signer, error) {
	if !flags.on {
		if flags.key != "" || flags.keyring != "" || flags.passphraseFile != "" {
			return nil, usagef("--key, --keyring and --passphrase-file are for --sign")
		}
		return nil, nil
	}
	keys, err := loadKeyring(flags.keyring)
	if err != nil {
		return nil, err
	}
	key, err := keys.SigningKey(flags.key)
	if err != nil {
		return nil, err
	}
	return provenance.NewSigner(ctx, key, func(ctx context.Context, key *provenance.Key) ([]byte, error) {
		return a.passphrase(ctx, key, flags.passphraseFile)
	})
}

// passphrase reads the first line of a file, or asks on a terminal.
func (a *app) passphrase(ctx context.Context, key *provenance.Key, file string) ([]byte, error) {
	var in io.Reader
	switch file {
	case "-":
		in = a.in
	case "":
		terminal, ok := a.in.(*os.File)
		if !ok || !term.IsTerminal(int(terminal.Fd())) {
			return nil, usagef("the key has a passphrase, and there is no terminal to ask for it on: use --passphrase-file")
		}
		return a.askPassphrase(ctx, terminal, key)
	default:
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := interruptible(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(in, maxSecret+1)) })
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if len(line) > maxSecret {
		return nil, errors.New("the passphrase has more than 64 KiB")
	}
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

func (a *app) askPassphrase(ctx context.Context, in *os.File, key *provenance.Key) ([]byte, error) {
	state, err := term.GetState(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(a.err, "Passphrase of %s: ", key.Fingerprint)
	secret, err := interruptible(ctx, func() ([]byte, error) { return term.ReadPassword(int(in.Fd())) })
	fmt.Fprintln(a.err)
	if err != nil {
		return nil, errors.Join(err, term.Restore(int(in.Fd()), state))
	}
	return secret, nil
}

// writePackage writes the package, and its provenance file if there is a
// signer.
func writePackage(ctx context.Context, dir, destination string, signer chart.Signer, options chart.PackageOptions) (string, *chart.Metadata, error) {
	if signer == nil {
		return chart.PackageFile(ctx, dir, destination, &options)
	}
	return chart.PackageSigned(ctx, dir, destination, signer, &options)
}

func provenanceOf(path string, signer chart.Signer) string {
	if signer == nil {
		return ""
	}
	return path + ".prov"
}
