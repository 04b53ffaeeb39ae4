//go:build !unix

package cache_test

import "errors"

func faultsPipe(string) error { return errors.ErrUnsupported }
