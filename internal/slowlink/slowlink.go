// Package slowlink lets tests and measurements reach a server as over a link of
// a given speed.
package slowlink

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Link is an address that leads to a server. What the server sends, over all
// connections together, passes at the link's rate and in the order of arrival;
// what it is sent passes at once. It is safe for concurrent use.
type Link struct {
	listener net.Listener
	target   string
	pace     pace
	carried  atomic.Int64

	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
	wait   sync.WaitGroup
}

// New opens a link to the TCP address target, on a loopback port of its own. The
// rate is in bytes a second and above zero. The caller closes it.
func New(target string, rate int64) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &Link{listener: listener, target: target, pace: pace{rate: rate}, open: map[net.Conn]bool{}}
	l.wait.Go(l.accept)
	return l, nil
}

// Host returns the link's own address, as "127.0.0.1:1234".
func (l *Link) Host() string { return l.listener.Addr().String() }

// Carried returns how many bytes the server has sent through the link so far.
func (l *Link) Carried() int64 { return l.carried.Load() }

// Close cuts all connections and waits for their end.
func (l *Link) Close() error {
	err := l.listener.Close()
	l.mu.Lock()
	l.closed = true
	for conn := range l.open {
		conn.Close()
	}
	l.mu.Unlock()
	l.wait.Wait()
	return err
}

func (l *Link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		if l.enter(client) {
			l.wait.Go(func() { l.serve(client) })
		}
	}
}

// enter lets Close know of a connection. One that comes after it is closed.
func (l *Link) enter(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		conn.Close()
		return false
	}
	l.open[conn] = true
	return true
}

func (l *Link) leave(conn net.Conn) {
	conn.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, conn)
}

func (l *Link) serve(client net.Conn) {
	defer l.leave(client)
	server, err := net.Dial("tcp", l.target)
	if err != nil || !l.enter(server) {
		return
	}
	defer l.leave(server)
	up := make(chan struct{})
	go func() {
		defer close(up)
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	l.down(client, server)
	client.Close() // ends the way up
	<-up
}

// frame is how much passes at a time: as with the packets of a real link, each
// connection has its turn soon.
const frame = 16 << 10

func (l *Link) down(client, server net.Conn) {
	buf := make([]byte, frame)
	for {
		n, err := server.Read(buf)
		l.pace.wait(n)
		l.carried.Add(int64(n))
		if _, werr := client.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}
