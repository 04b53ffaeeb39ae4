package registry

import (
	"context"
	"crypto/tls"
)

// TLSConfig shows tests what a host's connections are made with.
func TLSConfig(c HostConfig) (*tls.Config, error) { return c.tlsConfig() }

// WithAttempt shows tests how the log tells attempts apart.
func WithAttempt(ctx context.Context, n int) context.Context { return withAttempt(ctx, n) }
