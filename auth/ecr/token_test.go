package ecr

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// The end of a token is the earlier of what AWS says and 12 hours.
func TestTokenEnds(t *testing.T) {
	asked := time.Unix(1_700_000_000, 0)
	for text, want := range map[string]time.Duration{
		`1700000060`: time.Minute, `1700000060.5`: 60_500 * time.Millisecond, `1.70000006E9`: time.Minute,
		`1700043200`: maxLife, `1800000000`: maxLife, `1e300`: maxLife, `null`: maxLife,
		`1700000000`: 0, `1699999999`: 0, `-1e300`: 0, `0`: 0,
	} {
		body := `{"authorizationData":{"authorizationToken":"QVdTOng=","expiresAt":` + text + `}}`
		_, end, err := parseToken([]byte(body), true, asked)
		if want == 0 {
			if err == nil || !strings.Contains(err.Error(), "already ended") {
				t.Errorf("%s: end %s, error %v", text, end, err)
			}
			continue
		}
		if err != nil || !end.Equal(asked.Add(want)) {
			t.Errorf("%s: end %s, error %v, want %s", text, end, err, asked.Add(want))
		}
	}
}

// FuzzToken reads answers of anybody. What is taken is a password of one line
// that ends within 12 hours; what is not taken is not repeated.
func FuzzToken(f *testing.F) {
	for _, s := range []string{
		`{"authorizationData":[{"authorizationToken":"QVdTOng=","expiresAt":1700000060.123,"proxyEndpoint":"https://1"}]}`,
		`{"authorizationData":{"authorizationToken":"QVdTOng=","expiresAt":1.70000006E9}}`,
		`{"authorizationData":[]}`, `{}`, `[]`, `null`, `"x"`, `<html>`, ``,
		`{"authorizationData":[{"authorizationToken":"****"}]}`,
		`{"authorizationData":[{"authorizationToken":"QVdTCg=="}]}`,
		`{"authorizationData":[{"authorizationToken":"QVdTOg=="}]}`,
		`{"authorizationData":[{"authorizationToken":"cm9vdDp4"}]}`,
		`{"authorizationData":[{"authorizationToken":"QVdTOng=","expiresAt":"NaN"}]}`,
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	asked := time.Unix(1_700_000_000, 0)
	f.Fuzz(func(t *testing.T, body []byte, public bool) {
		password, end, err := parseToken(body, public, asked)
		switch {
		case err != nil && len(err.Error()) > 80:
			t.Errorf("a long error: %v", err)
		case err == nil && (password == "" || strings.ContainsAny(password, "\r\n\x00")):
			t.Errorf("password %q", password)
		case err == nil && (!end.After(asked) || end.After(asked.Add(maxLife))):
			t.Errorf("end %s", end)
		case err == nil && !json.Valid(body):
			t.Error("taken, and no JSON")
		}
	})
}
