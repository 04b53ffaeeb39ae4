package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
)

const (
	helperPrefix         = "docker-credential-"
	helperDefaultTimeout = 30 * time.Second
	// helperGrace is how long a killed helper's children may hold its output
	// open before they are left behind.
	helperGrace     = 2 * time.Second
	maxHelperOutput = 1 << 20   // a credential is some KiB; a list is not asked for
	maxHelperStderr = 4 << 10   // for the debug log
	maxHelperLine   = 256       // of what a helper says when it fails
	tokenUser       = "<token>" // the user name that marks an identity token
)

var helperSuffix = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// helpers runs docker credential helpers, one process of each program at a
// time: the macOS keychain's hangs when asked in parallel (docker/cli#1862).
type helpers struct {
	opts FileOptions
	log  *slog.Logger

	mu    sync.Mutex
	turns map[string]chan struct{}
}

func newHelpers(opts FileOptions, log *slog.Logger) *helpers {
	return &helpers{opts: opts, log: log, turns: make(map[string]chan struct{})}
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
		return Credential{}, ErrNoCredential
	}
	if err != nil {
		return Credential{}, err
	}
	c := Credential{Username: answer.Username, Password: NewSecret(answer.Secret), Origin: helperOrigin(suffix, key)}
	if answer.Username == tokenUser {
		c = Credential{IdentityToken: c.Password, Origin: c.Origin}
	}
	if answer.Secret == "" {
		return Credential{}, ErrNoCredential
	}
	if err := c.check(); err != nil {
		return Credential{}, helperError(suffix, key, "its answer cannot be used", err)
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

// run gives do a program to run once, within the time limit. It returns do's
// error if that is "not found", else one of its own: the client's quotes all
// that the helper has said.
func (h *helpers) run(ctx context.Context, suffix, key string, do func(client.ProgramFunc) error) error {
	if h.opts.NoExec {
		return helperError(suffix, key, "it is configured, and running helpers is switched off", nil)
	}
	if !helperSuffix.MatchString(suffix) {
		return &Error{Stage: StageHelper, Origin: Origin{Kind: "docker credential helper", Key: key}, Message: "its configured name is not that of a program", Err: ErrHelper}
	}
	path, err := exec.LookPath(helperPrefix + suffix)
	if err != nil {
		e := helperError(suffix, key, "it is not installed", err)
		e.Hint = "install it, or take it out of the configuration file"
		return e
	}
	release, err := h.takeTurn(ctx, suffix)
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
	p := &program{ctx: runCtx, path: path}
	err = do(func(args ...string) client.Program {
		p.args = args
		return p
	})
	if p.stderr.kept.Len() > 0 {
		h.log.DebugContext(ctx, "credential helper", "program", helperPrefix+suffix, "stderr", firstLine(p.stderr.kept.Bytes()))
	}
	switch {
	case err == nil || credentials.IsErrCredentialsNotFound(err):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case runCtx.Err() != nil:
		return helperError(suffix, key, fmt.Sprintf("no answer within %s", timeout), nil)
	case p.err != nil:
		return helperError(suffix, key, "it failed", p.err)
	}
	return helperError(suffix, key, "its answer is not a credential", nil)
}

func (h *helpers) takeTurn(ctx context.Context, suffix string) (release func(), err error) {
	h.mu.Lock()
	turn, found := h.turns[suffix]
	if !found {
		turn = make(chan struct{}, 1)
		h.turns[suffix] = turn
	}
	h.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func helperError(suffix, key, what string, cause error) *Error {
	e := &Error{Stage: StageHelper, Origin: helperOrigin(suffix, key), Message: what, Err: ErrHelper}
	if cause != nil {
		e.Causes = []error{cause}
	}
	return e
}

// program is one run of a helper, in the shape that the client wants.
type program struct {
	ctx    context.Context
	path   string
	args   []string
	input  io.Reader
	stderr capped
	err    error
}

// Input implements client.Program.
func (p *program) Input(in io.Reader) { p.input = in }

// Output implements client.Program. Of a failed run it gives only what may be
// shown.
func (p *program) Output() ([]byte, error) {
	cmd := exec.CommandContext(p.ctx, p.path, p.args...)
	cmd.WaitDelay = helperGrace
	stdout := capped{max: maxHelperOutput, strict: true}
	p.stderr.max = maxHelperStderr
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.input, &stdout, &p.stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) && p.ctx.Err() == nil {
		err = nil // it is done, and a child that it started, such as an agent, keeps its output open
	}
	if err == nil {
		return stdout.kept.Bytes(), nil
	}
	line := firstLine(stdout.kept.Bytes())
	p.err = err
	if stdout.over {
		p.err = fmt.Errorf("it wrote more than %d bytes", maxHelperOutput)
	} else if line != "" {
		p.err = fmt.Errorf("%w: %s", err, line)
	}
	return []byte(line), err
}

// capped keeps the first max bytes; a strict one fails beyond them, which ends
// the program that writes. The buffer is not embedded: its ReadFrom would let
// io.Copy pass Write by.
type capped struct {
	kept   bytes.Buffer
	max    int
	strict bool
	over   bool
}

func (c *capped) Write(p []byte) (int, error) {
	if room := c.max - c.kept.Len(); len(p) > room {
		c.over = true
		c.kept.Write(p[:max(room, 0)])
		if c.strict {
			return 0, io.ErrShortWrite
		}
		return len(p), nil
	}
	return c.kept.Write(p)
}

// firstLine is what is shown of a helper's words. A helper that fails after it
// has printed a credential has its line withheld.
func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if strings.ContainsAny(line, "{}") {
		return "(output withheld)"
	}
	line = strings.Map(func(c rune) rune {
		if c == unicode.ReplacementChar || !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, line)
	return strings.ToValidUTF8(line[:min(len(line), maxHelperLine)], "")
}
