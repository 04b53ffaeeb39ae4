package e2e_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"
)

// nginxServer is an nginx before a registry, which ends TLS, moves paths and
// limits the rate of requests.
type nginxServer struct {
	host string // 127.0.0.1:port
	log  string // its access log: the status and the request of each
}

// nginxOptions shape an nginx. A path of the registry that begins with
// Inside is to the world one that begins with Outside.
type nginxOptions struct {
	Outside, Inside string // as in "/v2/" and "/v2/hub/"
	Rate, Burst     int    // requests a second, and how many more at once; zero: no limit
}

// nginxConfig is as its users write it: locations and links go out as the
// world knows them, tags come two at a time, and who comes too often is told
// when to come again.
var nginxConfig = template.Must(template.New("nginx.conf").Parse(`
daemon off; master_process off; pid {{.Dir}}/nginx.pid; error_log {{.Dir}}/error.log warn;
events { worker_connections 512; }
http {
	log_format short '$status $request';
	access_log {{.Dir}}/access.log short;
	client_body_temp_path {{.Dir}}/body; proxy_temp_path {{.Dir}}/proxy;
	fastcgi_temp_path {{.Dir}}/fastcgi; uwsgi_temp_path {{.Dir}}/uwsgi; scgi_temp_path {{.Dir}}/scgi;
	client_max_body_size 0; proxy_request_buffering off; proxy_http_version 1.1;
	map $upstream_http_link $outside_link { "~^<{{.Inside}}(?<rest>.*)$" "<{{.Outside}}$rest"; default $upstream_http_link; }
	map "$uri?$args" $paged { "~/tags/list\?$" n=2; default $args; }
	{{if .Rate}}limit_req_zone $binary_remote_addr zone=each:1m rate={{.Rate}}r/s; limit_req_status 429;{{end}}
	server {
		listen {{.Host}} ssl;
		ssl_certificate {{.Certificate}}; ssl_certificate_key {{.Key}};
		error_page 429 = @busy;
		location @busy {
			add_header Retry-After 1 always;
			default_type application/json;
			return 429 '{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}';
		}
		proxy_set_header Host $http_host;
		proxy_set_header X-Forwarded-Proto https;
		location = /v2/ { proxy_pass http://{{.Registry}}; }
		location {{.Outside}} {
			{{if .Rate}}limit_req zone=each burst={{.Burst}} nodelay;{{end}}
			set $args $paged;
			proxy_pass http://{{.Registry}}{{.Inside}};
			proxy_redirect ~^(https?://[^/]+)?{{.Inside}}(.*)$ {{.Outside}}$2;
			proxy_hide_header Link;
			add_header Link $outside_link always;
		}
	}
}
`))

// startNginx starts an nginx with a certificate of ca, as an ordinary process
// with all of its files in a directory of the test.
func startNginx(t testing.TB, reg *registryServer, ca *authority, opts nginxOptions) *nginxServer {
	t.Helper()
	bin, err := exec.LookPath("nginx")
	if err != nil {
		bin = "/usr/sbin/nginx" // which is not in the path of ordinary users
		if _, err := os.Stat(bin); err != nil {
			const missing = "there is no nginx; Debian's package nginx-light has it"
			if os.Getenv("CI") != "" {
				t.Fatal(missing) // .ci/run installs it
			}
			t.Skip("NOT TRIED: " + missing)
		}
	}
	dir := t.TempDir()
	s := &nginxServer{host: nginxAddress(t), log: filepath.Join(dir, "access.log")}
	certificate, key := ca.serverFiles(t)
	var config bytes.Buffer
	if err := nginxConfig.Execute(&config, map[string]any{
		"Dir": dir, "Host": s.host, "Registry": reg.host, "Certificate": certificate, "Key": key,
		"Outside": opts.Outside, "Inside": opts.Inside, "Rate": opts.Rate, "Burst": opts.Burst,
	}); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "nginx.conf")
	writeFile(t, name, config.Bytes())

	problems := filepath.Join(dir, "error.log")
	cmd := exec.Command(bin, "-p", dir, "-c", name, "-e", problems)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed: its status says nothing
		if t.Failed() {
			t.Logf("nginx said:\n%s\nand answered:\n%s", readFile(t, problems), readFile(t, s.log))
		}
	})
	s.answers(t, ca)
	return s
}

// nginxAddress is one that is free. If somebody else takes it before nginx
// does, that one cannot show the certificate that answers wants to see.
func nginxAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// answers waits until nginx is there.
func (s *nginxServer) answers(t testing.TB, ca *authority) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	for limit := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := client.Get("https://" + s.host + "/")
		if err == nil {
			resp.Body.Close()
			return
		}
		if time.Now().After(limit) {
			t.Fatal(err)
		}
	}
}

// count tells how often nginx has answered with a status.
func (s *nginxServer) count(t testing.TB, status int) (n int) {
	t.Helper()
	for line := range strings.Lines(string(readFile(t, s.log))) {
		if strings.HasPrefix(line, strconv.Itoa(status)+" ") {
			n++
		}
	}
	return n
}
