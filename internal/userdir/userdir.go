// Package userdir finds the directories in which other programs keep what
// belongs to their user. It reads the environment, so only what was asked for a
// default calls it.
package userdir

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"
)

// Home asks the user database where the environment does not say, as docker
// does: services often run without HOME.
func Home() (string, error) {
	home, err := os.UserHomeDir()
	if err == nil {
		return home, nil
	}
	if u, uerr := user.Current(); uerr == nil && u.HomeDir != "" {
		return u.HomeDir, nil
	}
	return "", err
}

// HelmConfig is Helm's configuration directory: $HELM_CONFIG_HOME,
// $XDG_CONFIG_HOME/helm, or the system's place for it (helm/helm pkg/helmpath).
func HelmConfig() (string, error) {
	if dir := os.Getenv("HELM_CONFIG_HOME"); dir != "" {
		return dir, nil
	}
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "helm"), nil
	}
	if dir := os.Getenv("APPDATA"); dir != "" && runtime.GOOS == "windows" {
		return filepath.Join(dir, "helm"), nil
	}
	home, err := Home()
	if err != nil {
		return "", err
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Preferences", "helm"), nil
	}
	return filepath.Join(home, ".config", "helm"), nil
}
