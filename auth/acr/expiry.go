package acr

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

const (
	// unknownLife is for a refresh token that does not say when it ends: a
	// third of what they live.
	unknownLife = time.Hour
	minLife     = time.Minute
	maxLife     = 24 * time.Hour
)

// lifeOf reads how long a refresh token lives from its claims (RFC 7519). Its
// signature is the registry's business: what it says is a hint of when to ask
// for another. The difference of its own times does not depend on this
// machine's clock.
func lifeOf(token string, now time.Time) time.Duration {
	var claims struct {
		Issued  float64 `json:"iat"`
		Expires float64 `json:"exp"`
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return unknownLife
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(payload, &claims) != nil || !(claims.Expires > 0) {
		return unknownLife
	}
	from := claims.Issued
	if !(from > 0) {
		from = float64(now.Unix())
	}
	left := claims.Expires - from
	if !(left > 0) {
		return unknownLife
	}
	return time.Duration(min(max(left, minLife.Seconds()), maxLife.Seconds()) * float64(time.Second))
}
