package registry_test

import (
	"fmt"
	"io"
	"log/slog"
)

// leaksLogger writes all that is logged.
func leaksLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// leaksChain is the text of an error and of every error within it, as those
// report them that print a chain error by error.
func leaksChain(err error) []string {
	if err == nil {
		return nil
	}
	texts := []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		texts = append(texts, leaksChain(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			texts = append(texts, leaksChain(inner)...)
		}
	}
	return texts
}
