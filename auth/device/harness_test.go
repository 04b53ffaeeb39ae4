package device_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/auth/device"
)

const deviceCanary = "canary-0ff1ce"

// deviceProvider is an identity provider without a network, so that its hours
// pass in a bubble of testing/synctest.
type deviceProvider struct {
	codes map[string]any // over the default answer of the device endpoint
	raw   string         // instead of that answer
	polls []string       // what the token endpoint answers, in turn; the last one again and again
	serve http.HandlerFunc

	asked []url.Values
	times []time.Time
}

// answers of the token endpoint that are no code.
const (
	deviceToken  = "token"
	deviceBroken = "broken connection"
	deviceFails  = "status 503"
	deviceStuck  = "no answer"
)

func (p *deviceProvider) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	req.ParseForm()
	p.asked, p.times = append(p.asked, req.PostForm), append(p.times, time.Now())
	if p.serve != nil {
		p.serve(rec, req)
		return rec.Result(), nil
	}
	if strings.HasSuffix(req.URL.Path, "/device") {
		p.device(rec)
		return rec.Result(), nil
	}
	answer := p.polls[min(len(p.polls)-1, len(p.asked)-2)]
	switch answer {
	case deviceToken:
		fmt.Fprintf(rec, `{"access_token":%q,"refresh_token":"refresh","id_token":"id","token_type":"bearer","expires_in":600}`, deviceCanary)
	case deviceBroken:
		return nil, io.ErrUnexpectedEOF
	case deviceFails:
		rec.WriteHeader(http.StatusServiceUnavailable)
	case deviceStuck:
		<-req.Context().Done()
		return nil, req.Context().Err()
	default:
		rec.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(rec, `{"error":%q,"error_description":"you sent %s"}`, answer, deviceCanary)
	}
	return rec.Result(), nil
}

func (p *deviceProvider) device(rec *httptest.ResponseRecorder) {
	if p.raw != "" {
		io.WriteString(rec, p.raw)
		return
	}
	answer := map[string]any{"device_code": "device-" + deviceCanary, "user_code": "WDJB-MJHT", "verification_uri": "https://idp.example.com/activate", "expires_in": 600, "interval": 5}
	for k, v := range p.codes {
		answer[k] = v
		if v == nil {
			delete(answer, k)
		}
	}
	json.NewEncoder(rec).Encode(answer)
}

// gaps are the seconds between requests.
func (p *deviceProvider) gaps() []int {
	var list []int
	for i := 1; i < len(p.times); i++ {
		list = append(list, int(p.times[i].Sub(p.times[i-1]).Seconds()))
	}
	return list
}

func (p *deviceProvider) flow() *device.Flow {
	return &device.Flow{
		Endpoint:   device.Endpoint{DeviceURL: "https://idp.example.com/device", TokenURL: "https://idp.example.com/token"},
		ClientID:   "portolan",
		HTTPClient: &http.Client{Transport: p},
	}
}

// deviceUser reads what is shown, and keeps the last of it.
type deviceUser struct{ seen device.Prompt }

func (u *deviceUser) Prompt(_ context.Context, p device.Prompt) error { u.seen = p; return nil }

func deviceNoCanary(t *testing.T, what string, err error) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(verb, err); strings.Contains(text, deviceCanary) {
			t.Errorf("%s: the error shows what the provider wrote: %s", what, text)
		}
	}
	data, _ := json.Marshal(err)
	if strings.Contains(string(data), deviceCanary) {
		t.Errorf("%s: JSON shows what the provider wrote: %s", what, data)
	}
}

func secret(s auth.Secret) string { return s.Reveal() }
