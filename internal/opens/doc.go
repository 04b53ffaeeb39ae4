// Package opens tells tests which files were opened beneath a directory. It
// needs inotify, and so Linux.
package opens
