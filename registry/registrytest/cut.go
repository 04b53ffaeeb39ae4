package registrytest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"
)

// cut ends the connection of an answer, whatever was sent of it.
func cut(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // net/http's way to break off an answer
	}
	if reset {
		abort(conn)
	}
	conn.Close()
}

// abort makes the close that follows a TCP reset.
func abort(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
}

// stall takes what comes and says nothing more, until the client goes away.
// It reads the connection itself: net/http would not notice.
func stall(w http.ResponseWriter, life context.Context) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		<-life.Done()
		return
	}
	stop := context.AfterFunc(life, func() { conn.Close() })
	defer stop()
	io.Copy(io.Discard, conn)
	conn.Close()
}

// pace spreads bytes over time.
type pace struct {
	perSecond int
	ctx       context.Context
}

// portion is how much is moved at once: a twentieth of a second's worth.
func (p pace) portion() int { return max(1, p.perSecond/20) }

func (p pace) wait(n int) {
	timer := time.NewTimer(time.Duration(n) * time.Second / time.Duration(p.perSecond))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.ctx.Done():
	}
}

type slowBody struct {
	io.ReadCloser
	pace pace
}

func (b *slowBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), b.pace.portion())])
	b.pace.wait(n)
	return n, err
}

type slowWriter struct {
	http.ResponseWriter
	pace pace
}

func (w *slowWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		var m int
		m, err = w.ResponseWriter.Write(p[:min(len(p), w.pace.portion())])
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		n, p = n+m, p[m:]
		w.pace.wait(m)
	}
	return n, err
}

// Unwrap lets http.ResponseController through.
func (w *slowWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
