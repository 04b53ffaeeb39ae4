//go:build !unix

package cache_test

func (p *tortureProcess) hang() bool { return false }
