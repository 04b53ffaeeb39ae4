package ecr

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/auth"
)

// The machine's own endpoints are never asked through a proxy, which would see
// the keys, and for which these addresses are its own.
func TestNoProxyForTheMachine(t *testing.T) {
	p, err := newProvider(nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.opts.MetadataTransport.(*http.Transport).Proxy != nil {
		t.Error("there is a proxy")
	}
	if p.opts.Transport.(*http.Transport).Proxy == nil {
		t.Error("AWS is reached past the proxy of the environment")
	}
}

// Cookies are not kept from one request to the next, of AWS nor of the machine.
func TestNoCookies(t *testing.T) {
	w := newWorld(t)
	w.links["169.254.169.254"] = true
	p := w.provider(nil)
	requests := 0
	for _, over := range []*http.RoundTripper{&p.opts.Transport, &p.opts.MetadataTransport} {
		plain := *over
		*over = roundTripper(func(r *http.Request) (*http.Response, error) {
			requests++
			if r.Header.Get("Cookie") != "" {
				t.Errorf("a cookie was sent to %s", r.URL)
			}
			resp, err := plain.RoundTrip(r)
			if err == nil {
				resp.Header.Set("Set-Cookie", "a="+canary+"; Path=/")
			}
			return resp, err
		})
	}
	for range 2 {
		if _, err := w.ask(p, privateHost); err != nil {
			t.Fatal(err)
		}
	}
	if want := len(askInstance) + 2; requests != want {
		t.Errorf("%d requests, want %d", requests, want)
	}
}

// A redirect of the machine's own endpoints is not followed: it would carry the
// session, or the container's token, to somebody else.
func TestMachineRedirects(t *testing.T) {
	for call, set := range map[string]func(*world){
		"GET /creds": func(w *world) {
			w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"], w.env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = w.machine.URL+"/creds", canary
		},
		askInstance[1]: func(w *world) { w.links["169.254.169.254"] = true },
	} {
		for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
			w := newWorld(t)
			set(w)
			w.refuse = always(call, &refusal{status: status, header: map[string]string{"Location": w.machine.URL + "/elsewhere"}})
			_, err := w.ask(w.provider(nil), privateHost)
			if err == nil || !strings.Contains(err.Error(), "it redirects") {
				t.Errorf("%s, %d: error %v", call, status, err)
			}
			if last := w.calls[len(w.calls)-1]; last != call {
				t.Errorf("%s, %d: then %s", call, status, last)
			}
		}
	}
}

// A transport of the program carries the requests to the machine, and those
// alone: whatever else the environment names is not asked over plain HTTP.
func TestMetadataTransport(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": true, "localhost": true, "[::1]": true, "169.254.170.23": true, "[fd00:ec2::23]": true,
		"192.0.2.1": false, "agent.example": false, "localhost.example": false, "169.254.169.253": false, "[fd00:ec2::1]": false,
	} {
		w := newWorld(t)
		w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://" + address + "/creds"
		w.env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = canary
		asked := 0
		over := roundTripper(func(r *http.Request) (*http.Response, error) {
			asked++
			to, err := url.Parse(w.machine.URL)
			if err != nil {
				return nil, err
			}
			r = r.Clone(r.Context())
			r.URL.Host = to.Host
			return http.DefaultTransport.RoundTrip(r)
		})
		_, err := w.ask(w.provider(&Options{MetadataTransport: over}), privateHost)
		switch {
		case want && (err != nil || asked != 1):
			t.Errorf("%s: asked %d times, error %v", address, asked, err)
		case !want && (asked != 0 || err == nil || !strings.Contains(err.Error(), errNotLocal.Error())):
			t.Errorf("%s: asked %d times, error %v", address, asked, err)
		}
	}
}

// Who leaves the machine out asks neither its container's endpoints nor its
// metadata service, whatever the environment says, and has what else there is.
func TestNoMetadata(t *testing.T) {
	for name, set := range map[string]func(*world){
		"nothing":              func(*world) {},
		"container":            func(w *world) { w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = w.machine.URL + "/creds" },
		"container of ECS":     func(w *world) { w.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/creds" },
		"container on https":   func(w *world) { w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "https://agent.example/pod-credentials" },
		"instance elsewhere":   func(w *world) { w.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = w.machine.URL },
		"profile without keys": func(w *world) { w.write(".aws/config", "[default]\nregion = eu-west-1\n") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.links["169.254.169.254"], w.links["169.254.170.2"] = true, true
			set(w)
			p := w.provider(&Options{NoMetadata: true})
			if _, err := w.ask(p, privateHost); !errors.Is(err, auth.ErrNoCredential) {
				t.Errorf("error %v, want auth.ErrNoCredential", err)
			}
			for _, f := range p.Explain(t.Context(), auth.Resource{Host: privateHost}) {
				if f.Outcome != auth.OutcomeNone || strings.Contains(f.Origin.Location, "container") || strings.Contains(f.Origin.Location, "instance") {
					t.Errorf("finding %+v", f)
				}
			}
			w.wantCalls()
			w.useKeys()
			if _, err := w.ask(p, privateHost); err != nil {
				t.Error(err)
			}
			w.wantCalls(getToken)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
