package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
)

const (
	helperPrefix         = "docker-credential-"
	helperDefaultTimeout = 30 * time.Second
	tokenUser            = "<token>" // the user name that marks an identity token
)

var helperSuffix = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// helperTurns lets one process of each helper program run at a time, whichever
// store starts it: the macOS keychain's hangs when asked in parallel
// (docker/cli#1862), and there is one keychain for all of them.
var helperTurns turns

// helpers runs docker credential helpers.
type helpers struct {
	opts FileOptions
	log  *slog.Logger
}

func newHelpers(opts FileOptions, log *slog.Logger) *helpers {
	opts.HelperEnv = slices.Clone(opts.HelperEnv)
	return &helpers{opts: opts, log: log}
}

func helperOrigin(suffix, key string) Origin {
	return Origin{Kind: "docker credential helper", Location: helperPrefix + suffix, Key: key}
}

func (h *helpers) get(ctx context.Context, suffix, key string) (Credential, error) {
	var answer *credentials.Credentials
	err := h.run(ctx, suffix, key, func(p client.ProgramFunc) (err error) {
		answer, err = client.Get(p, key)
		return err
	})
	if credentials.IsErrCredentialsNotFound(err) {
		return Credential{}, helperNotFound(suffix, key)
	}
	if err != nil {
		return Credential{}, err
	}
	return helperCredential(answer.Username, answer.Secret, helperOrigin(suffix, key))
}

// helperNotFound is "no credential", with a remark where that may not be so:
// ecr-login answers every failure like this and writes its cause elsewhere
// (amazon-ecr-credential-helper#229).
func helperNotFound(suffix, key string) error {
	if suffix != "ecr-login" || !strings.Contains(key, ".dkr.ecr") && !strings.Contains(key, "public.ecr.aws") {
		return ErrNoCredential
	}
	e := helperError(helperOrigin(suffix, key), "it says that it has none, which is all that it says of any failure", nil)
	e.Hint = "its log ~/.ecr/log may tell more"
	return noCredential([]error{e})
}

// helperCredential reads the answer of a helper. An answer without a secret is
// none.
func helperCredential(username, secret string, origin Origin) (Credential, error) {
	if secret == "" {
		return Credential{}, ErrNoCredential
	}
	c := Credential{Username: username, Password: NewSecret(secret), Origin: origin}
	if username == tokenUser {
		c = Credential{IdentityToken: c.Password, Origin: origin}
	}
	if err := c.check(); err != nil {
		return Credential{}, helperError(origin, "its answer cannot be used", err)
	}
	return c, nil
}

func (h *helpers) store(ctx context.Context, suffix, key string, c Credential) (Origin, error) {
	out := &credentials.Credentials{ServerURL: key, Username: c.Username, Secret: c.Password.Reveal()}
	if !c.IdentityToken.IsZero() {
		out.Username, out.Secret = tokenUser, c.IdentityToken.Reveal()
	}
	err := h.run(ctx, suffix, key, func(p client.ProgramFunc) error { return client.Store(p, out) })
	return helperOrigin(suffix, key), err
}

// erase asks first, so that it can tell whether there was anything.
func (h *helpers) erase(ctx context.Context, suffix, key string) (Origin, bool, error) {
	_, err := h.get(ctx, suffix, key)
	if errors.Is(err, ErrNoCredential) {
		return Origin{}, false, nil
	}
	if err != nil {
		return Origin{}, false, err
	}
	err = h.run(ctx, suffix, key, func(p client.ProgramFunc) error { return client.Erase(p, key) })
	return helperOrigin(suffix, key), err == nil, err
}

// list returns the user names that the helper keeps, by key.
func (h *helpers) list(ctx context.Context, suffix string) (users map[string]string, err error) {
	err = h.run(ctx, suffix, "", func(p client.ProgramFunc) (err error) {
		users, err = client.List(p)
		return err
	})
	return users, err
}

// run gives do a program to run once, within the time limit. It returns do's
// error if that is "not found", else one of its own: the client's quotes all
// that the helper has said.
func (h *helpers) run(ctx context.Context, suffix, key string, do func(client.ProgramFunc) error) error {
	origin := helperOrigin(suffix, key)
	if h.opts.NoExec {
		return helperError(origin, "it is configured, and running helpers is switched off", nil)
	}
	if !helperSuffix.MatchString(suffix) {
		return helperError(Origin{Kind: origin.Kind, Key: key}, "its configured name is not that of a program", nil)
	}
	path, err := exec.LookPath(helperPrefix + suffix)
	if err != nil {
		e := helperError(origin, "it is not installed", err)
		e.Hint = "install it, or take it out of the configuration file"
		return e
	}
	release, err := helperTurns.take(ctx, path)
	if err != nil {
		return err
	}
	defer release()
	timeout := h.opts.HelperTimeout
	if timeout == 0 {
		timeout = helperDefaultTimeout
	}
	runCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p := &helperProgram{ctx: runCtx, command: command{path: path, env: h.opts.HelperEnv}}
	err = do(func(args ...string) client.Program {
		p.command.args = args
		return p
	})
	p.command.logStderr(ctx, h.log, helperPrefix+suffix)
	switch {
	case err == nil || credentials.IsErrCredentialsNotFound(err):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case runCtx.Err() != nil:
		return helperError(origin, fmt.Sprintf("no answer within %s", timeout), nil)
	case p.err != nil:
		return helperError(origin, "it failed", p.err)
	}
	return helperError(origin, "its answer is not what a helper says", nil)
}

func helperError(origin Origin, what string, cause error) *Error {
	e := &Error{Stage: StageHelper, Origin: origin, Message: what, Err: ErrHelper}
	if cause != nil {
		e.Causes = []error{cause}
	}
	return e
}

// helperProgram is one run of a helper, in the shape that the client wants.
type helperProgram struct {
	ctx     context.Context
	command command
	err     error // fit to be shown
}

// Input implements client.Program.
func (p *helperProgram) Input(in io.Reader) { p.command.input = in }

// Output implements client.Program. Of a failed run it gives only what may be
// shown.
func (p *helperProgram) Output() ([]byte, error) {
	out, err := p.command.run(p.ctx)
	if err != nil {
		p.err = err
	}
	return out, err
}
