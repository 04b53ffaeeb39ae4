package auth

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// CapabilitySet tells what this package can do here, as data: for a program
// that stands in for an older client, or that offers its users a choice. Words
// in its lists keep their meaning; new ones may come.
type CapabilitySet struct {
	// Schemes are the challenges that a Signer answers: "basic", "bearer".
	Schemes []string `json:"schemes"`
	// Grants are the ways in which it asks token servers: "token" is the GET
	// of the distribution specification, "refresh_token" and "password" are
	// OAuth 2 (RFC 6749).
	Grants []string `json:"grants"`
	// Credentials are what can prove an identity: "password",
	// "identity-token", "registry-token", "client-certificate".
	Credentials []string `json:"credentials"`
	// Sources are those that NewDefault knows: the default ones in their order,
	// then those that it asks only where they are named.
	Sources []Source `json:"sources"`
	// Stores are the files that a login can be kept in: "docker", "helm",
	// "containers"; and "helper" for the credential helpers that they name.
	Stores []string `json:"stores"`
	// Helpers are the suffixes of the docker credential helpers on PATH, in
	// alphabetical order: "pass" for docker-credential-pass. None was run.
	Helpers []string `json:"helpers"`
}

// Capabilities looks for credential helpers in the directories of PATH, and
// tells the rest as it is built in. It makes no request and runs nothing.
func Capabilities() CapabilitySet {
	return CapabilitySet{
		Schemes:     []string{"basic", "bearer"},
		Grants:      []string{"token", "refresh_token", "password"},
		Credentials: []string{"password", "identity-token", "registry-token", "client-certificate"},
		Sources:     append(DefaultSources(), SourceGitHub),
		Stores:      []string{"docker", "helm", "containers", "helper"},
		Helpers:     installedHelpers(),
	}
}

func installedHelpers() []string {
	found := []string{}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !filepath.IsAbs(dir) {
			continue // nor is a helper run from there
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, file := range files {
			if suffix, ok := helperName(file); ok {
				found = append(found, suffix)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// helperName gives the suffix of a file that is a helper, by its name and mode.
func helperName(file fs.DirEntry) (suffix string, ok bool) {
	suffix, ok = strings.CutPrefix(file.Name(), helperPrefix)
	if runtime.GOOS == "windows" {
		suffix, ok = strings.CutSuffix(suffix, ".exe")
	}
	if !ok || !helperSuffix.MatchString(suffix) {
		return "", false
	}
	info, err := file.Info()
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return suffix, true // where it leads is seen when it is run
	}
	return suffix, err == nil && info.Mode().IsRegular() && (runtime.GOOS == "windows" || info.Mode()&0o111 != 0)
}
