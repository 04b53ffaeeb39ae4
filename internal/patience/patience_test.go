package patience_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portolan-oci/portolan/internal/patience"
)

func TestBound(t *testing.T) {
	own := errors.New("own")
	ends := func(ctx context.Context, _ *time.Timer) error {
		<-ctx.Done()
		return fmt.Errorf("asked: %w", ctx.Err())
	}
	tests := []struct {
		name string
		ask  func(context.Context, *time.Timer) error
		want error
		took time.Duration
	}{
		{"answers", func(context.Context, *time.Timer) error { return nil }, nil, 0},
		{"fails", func(context.Context, *time.Timer) error { return own }, own, 0},
		{"hangs", ends, patience.ErrOver, 3 * time.Second},
		{"answers late, and well", func(ctx context.Context, _ *time.Timer) error { ends(ctx, nil); return nil }, nil, 3 * time.Second},
		{"begins to answer", func(ctx context.Context, timer *time.Timer) error {
			timer.Stop()
			return ends(ctx, timer)
		}, context.DeadlineExceeded, time.Minute},
		{"goes on, and hangs", func(ctx context.Context, timer *time.Timer) error {
			for range 4 {
				time.Sleep(2 * time.Second)
				timer.Reset(3 * time.Second)
			}
			return ends(ctx, timer)
		}, patience.ErrOver, 11 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				if err := patience.Bound(ctx, 3*time.Second, tt.ask); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
					t.Errorf("error %v", err)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %s, want %s", took, tt.took)
				}
			})
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := patience.Bound(ctx, time.Hour, ends); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
