package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/portolan-oci/portolan/auth"
)

// maxSecret bounds what is read as a secret: tokens have a few kilobytes.
const maxSecret = 64 << 10

// credentialFlags say where the credential comes from.
type credentialFlags struct {
	user                                                  string
	passwordStdin, identityTokenStdin, registryTokenStdin bool
}

// reads tells whether the secret is on standard input.
func (f credentialFlags) reads() bool {
	return f.passwordStdin || f.identityTokenStdin || f.registryTokenStdin
}

// credential reads what the flags say, or asks on a terminal.
func (a *app) credential(ctx context.Context, flags credentialFlags) (auth.Credential, error) {
	switch {
	case flags.identityTokenStdin:
		token, err := a.readSecret(ctx)
		return auth.Credential{Username: flags.user, IdentityToken: token}, err
	case flags.registryTokenStdin:
		token, err := a.readSecret(ctx)
		return auth.Credential{Username: flags.user, RegistryToken: token}, err
	case flags.passwordStdin:
		password, err := a.readSecret(ctx)
		return auth.Credential{Username: flags.user, Password: password}, err
	}
	in, ok := a.terminal()
	if !ok {
		return auth.Credential{}, usagef("login: no terminal to ask for the password on: use --password-stdin, or give a client certificate")
	}
	return a.ask(ctx, in, flags.user)
}

// terminal is where somebody can be asked.
func (a *app) terminal() (in *os.File, ok bool) {
	in, ok = a.in.(*os.File)
	return in, ok && term.IsTerminal(int(in.Fd()))
}

// ask prompts on standard error and reads the password without an echo.
func (a *app) ask(ctx context.Context, in *os.File, user string) (auth.Credential, error) {
	state, err := term.GetState(int(in.Fd()))
	if err != nil {
		return auth.Credential{}, err
	}
	if user == "" {
		fmt.Fprint(a.err, "Username: ")
		line, err := interruptible(ctx, func() (string, error) { return bufio.NewReader(in).ReadString('\n') })
		if errors.Is(err, io.EOF) {
			return auth.Credential{}, usagef("login: no user name was typed")
		}
		if err != nil {
			return auth.Credential{}, err
		}
		user = strings.TrimSpace(line)
	}
	fmt.Fprint(a.err, "Password: ")
	password, err := interruptible(ctx, func() ([]byte, error) { return term.ReadPassword(int(in.Fd())) })
	fmt.Fprintln(a.err)
	if err != nil {
		return auth.Credential{}, errors.Join(err, term.Restore(int(in.Fd()), state))
	}
	return auth.Credential{Username: user, Password: auth.NewSecret(string(password))}, nil
}

// readSecret reads standard input to its end and takes one line end off, as
// docker does.
func (a *app) readSecret(ctx context.Context) (auth.Secret, error) {
	text, err := interruptible(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(a.in, maxSecret+1)) })
	if err != nil {
		return auth.Secret{}, err
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	switch {
	case secret == "":
		return auth.Secret{}, usagef("login: standard input is empty")
	case len(text) > maxSecret:
		return auth.Secret{}, errors.New("login: the secret has more than 64 KiB")
	}
	return auth.NewSecret(secret), nil
}

// interruptible lets a context end the wait for somebody to type. The read
// itself goes on until the process ends, which is soon.
func interruptible[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		value, err := read()
		done <- answer{value, err}
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}
