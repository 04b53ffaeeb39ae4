package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"
	"unicode"
)

const (
	// commandGrace is how long the children of a program that was killed, or
	// that has ended, may hold its output open before they are left behind.
	// They are not killed: the program may have started an agent for others.
	commandGrace = 2 * time.Second
	// maxCommandOutput bounds an answer: a credential is some KiB, and a list
	// of ten thousand keys and users 1 MiB.
	maxCommandOutput = 1 << 20
	maxCommandStderr = 4 << 10 // for the debug log
	maxCommandLine   = 256     // of what a program says when it fails
)

// command is one run of a helper or a plugin: its output is bounded, and of
// its failures no more is shown than one line without what looks like JSON.
type command struct {
	path   string
	args   []string
	env    []string // on top of this process's
	input  io.Reader
	stderr capped
}

// run returns the program's standard output. Of a failed run it returns the
// first line, which is also in the error; both are fit to be shown.
func (c *command) run(ctx context.Context) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.WaitDelay = commandGrace
	if len(c.env) > 0 {
		cmd.Env = append(os.Environ(), c.env...)
	}
	stdout := capped{max: maxCommandOutput, strict: true}
	c.stderr.max = maxCommandStderr
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.input, &stdout, &c.stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil && !stdout.over {
		err = nil // it is done, and a child that it started, such as an agent, keeps its output open
	}
	line := firstLine(stdout.kept.Bytes())
	switch {
	case err == nil:
		return stdout.kept.Bytes(), nil
	case stdout.over:
		return nil, fmt.Errorf("it wrote more than %d bytes", maxCommandOutput)
	case line == "":
		return nil, err
	}
	return []byte(line), fmt.Errorf("%w: %s", err, line)
}

// logStderr says at debug level what the program has said there.
func (c *command) logStderr(ctx context.Context, logger *slog.Logger, name string) {
	if c.stderr.kept.Len() > 0 {
		logger.DebugContext(ctx, "credential program", "program", name, "stderr", firstLine(c.stderr.kept.Bytes()))
	}
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

// firstLine is what is shown of a program's words. One that fails after it has
// printed a credential has its line withheld.
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
	return strings.ToValidUTF8(line[:min(len(line), maxCommandLine)], "")
}
