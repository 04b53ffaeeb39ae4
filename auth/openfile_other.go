//go:build !unix

package auth

const openNonblock = 0
