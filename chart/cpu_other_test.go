//go:build !unix

package chart_test

import "time"

// processorTime is not known here.
func processorTime() time.Duration { return 0 }
