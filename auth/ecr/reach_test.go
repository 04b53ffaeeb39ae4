package ecr

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// A peer that is not AWS gets no second request, and one that is not there
// gets three.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.useKeys()
	attempts := 0
	dead := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		attempts++
		return nil, errors.New("proxy http://u:canary@proxy.example: refused")
	}}
	_, err := w.ask(w.provider(&Options{Transport: dead}), privateHost)
	if err == nil || !strings.Contains(err.Error(), "asking Amazon ECR for a token failed") || attempts != awsTries {
		t.Errorf("%d attempts, error %v", attempts, err)
	}
	attempts = 0
	stranger := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		attempts++
		return new(net.Dialer).DialContext(ctx, network, w.aws.Listener.Addr().String())
	}}
	_, err = w.ask(w.provider(&Options{Transport: stranger}), privateHost)
	if err == nil || !strings.Contains(err.Error(), "certificate") || attempts != 1 {
		t.Errorf("%d attempts, error %v", attempts, err)
	}
	w.wantCalls()
}

// A metadata service whose answer does not arrive is most often one at the end
// of too few hops.
func TestHopLimit(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := newWorld(t)
	w.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://" + l.Addr().String()
	start := time.Now()
	_, err = w.ask(w.provider(nil), privateHost)
	if err == nil || !strings.Contains(err.Error(), "hop limit must be 2 or more") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 2*machineTimeout {
		t.Errorf("it took %s", took)
	}
}

// A caller that gives up gets its own error, while it waits for the turn too.
func TestContext(t *testing.T) {
	w := newWorld(t)
	w.useWebIdentity()
	p := w.provider(nil)
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := p.Credential(ctx, auth.Resource{Host: privateHost}); !errors.Is(err, gone) {
		t.Errorf("error %v, want the context's", err)
	}
	p.turn <- struct{}{}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err := p.Credential(ctx, auth.Resource{Host: privateHost}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the context's", err)
	}
	w.wantCalls()
}

// Plain HTTP is held to the machine itself when the connection is made.
func TestOnlyLocal(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "127.8.8.8:1": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		"169.254.169.254:80": true, "169.254.170.2:80": true, "169.254.170.23:80": true, "[fd00:ec2::254]:80": true, "[fd00:ec2::23]:80": true,
		"[::ffff:169.254.169.254]:80": true,
		"169.254.169.253:80":          false, "10.0.0.1:80": false, "192.0.2.1:80": false, "0.0.0.0:80": false, "[fd00:ec2::1]:80": false, "[fe80::1%eth0]:80": false,
		"": false, "localhost:80": false,
	} {
		if err := onlyLocal(t.Context(), "tcp", address, nil); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}
