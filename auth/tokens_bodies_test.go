package auth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// tokensUploads makes the registry of w read and keep bodies before it answers.
func tokensUploads(w *world) *[]string {
	bodies := new([]string)
	serve := w.registry.Config.Handler
	w.registry.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == "PUT" {
			body, _ := io.ReadAll(r.Body)
			w.mu.Lock()
			*bodies = append(*bodies, string(body))
			w.mu.Unlock()
		}
		serve.ServeHTTP(rw, r)
	})
	return bodies
}

// tokensStream is a body that can be read once.
type tokensStream struct {
	io.Reader
	closed chan bool
}

func (s tokensStream) Close() error {
	select {
	case s.closed <- true:
	default:
	}
	return nil
}

// tokensPush sends a body, and waits until it is closed.
func tokensPush(t *testing.T, w *world, s *Signer, rewindable bool) error {
	t.Helper()
	req := w.request(t, "PUT", "a", "content")
	closed := make(chan bool, 1)
	req.Body = tokensStream{strings.NewReader("content"), closed}
	if !rewindable {
		req.GetBody = nil
	}
	resp, err := s.Do(req, w.hint("a", "pull", "push"), send)
	if err == nil {
		resp.Body.Close()
	}
	select {
	case <-closed: // net/http may do it a moment later
	case <-time.After(10 * time.Second):
		t.Error("the body was not closed")
	}
	return err
}

// Where the registry's challenge is known, the token is there before the body
// is sent: the body goes once, whole, and need not be rewindable.
func Test46PushWithoutACachedToken(t *testing.T) {
	for _, tc := range []struct {
		name       string
		credential Credential
		rewindable bool
	}{
		{"password", password("bob", canary), false},
		{"identity token", Credential{IdentityToken: NewSecret(canary)}, false},
		{"anonymous", Credential{}, false},
		{"rewindable", password("bob", canary), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.user, w.password, w.refresh = "bob", canary, canary
			bodies := tokensUploads(w)
			s := w.signer(t, tc.credential)
			w.do(t, s, "HEAD", "other", "pull")
			if err := tokensPush(t, w, s, tc.rewindable); err != nil {
				t.Fatal(err)
			}
			if r, k := w.counts(); r != 3 || k != 2 || len(*bodies) != 1 || (*bodies)[0] != "content" {
				t.Errorf("%d requests, %d tokens, bodies %q", r, k, *bodies)
			}
		})
	}
	t.Run("no token, no body", func(t *testing.T) {
		w := newWorld(t)
		w.user, w.password = "bob", canary
		bodies := tokensUploads(w)
		s := w.signer(t, password("bob", canary))
		w.do(t, s, "HEAD", "other", "pull")
		w.password = "changed"
		if err := tokensPush(t, w, s, false); !errors.Is(err, ErrUnauthorized) || len(*bodies) != 0 {
			t.Errorf("%v, bodies %q", err, *bodies)
		}
	})
}

// A 401 after the body was sent: a rewindable body is sent again, whole; any
// other is an error that says so, and the repeated operation works.
func Test47ChallengeAfterTheBody(t *testing.T) {
	for _, tc := range []struct {
		name       string
		known      bool // a token is held that the registry does not take any more
		rewindable bool
	}{
		{"rewindable", false, true},
		{"rewindable, with a revoked token", true, true},
		{"not rewindable", false, false},
		{"not rewindable, with a revoked token", true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			bodies := tokensUploads(w)
			s := newSigner(t, nil)
			if tc.known {
				w.do(t, s, "GET", "a", "pull", "push")
				w.mu.Lock()
				clear(w.granted)
				w.mu.Unlock()
			}
			err := tokensPush(t, w, s, tc.rewindable)
			if tc.rewindable {
				if err != nil || len(*bodies) != 2 || (*bodies)[1] != "content" {
					t.Errorf("%v after bodies %q", err, *bodies)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrUnauthorized) || e.Stage != StageChallenge ||
				!strings.Contains(err.Error(), "cannot be sent again") || !strings.Contains(err.Error(), "repeat the operation") {
				t.Fatalf("got %v", err)
			}
			if len(*bodies) != 1 {
				t.Errorf("bodies %q", *bodies)
			}
			if err := tokensPush(t, w, s, false); err != nil || len(*bodies) != 2 || (*bodies)[1] != "content" {
				t.Errorf("repeated: %v after bodies %q", err, *bodies)
			}
		})
	}
	t.Run("a body that cannot be opened again", func(t *testing.T) {
		w := newWorld(t)
		req := w.request(t, "PUT", "a", "content")
		broken := errors.New("the file is gone")
		req.GetBody = func() (io.ReadCloser, error) { return nil, broken }
		if _, err := newSigner(t, nil).Do(req, w.hint("a", "pull", "push"), send); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the caller has left", func(t *testing.T) {
		w := newWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := newSigner(t, nil).Do(w.request(t, "PUT", "a", "content").WithContext(ctx), w.hint("a", "pull", "push"), func(r *http.Request) (*http.Response, error) {
			defer cancel()
			return send(r)
		})
		if _, k := w.counts(); !errors.Is(err, context.Canceled) || k != 0 {
			t.Errorf("%v after %d tokens", err, k)
		}
	})
}
