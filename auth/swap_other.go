//go:build !linux && !darwin

package auth

import "errors"

// swapFiles is for systems that can swap two files in one step.
func swapFiles(_, _ string) error { return errors.ErrUnsupported }
