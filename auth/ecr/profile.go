package ecr

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"

	"github.com/aws/smithy-go/aws-http-auth/credentials"
)

const (
	// maxFile bounds the shared files: a thousand profiles of a kilobyte.
	maxFile = 1 << 20
	// maxTokenFile bounds a token file; tokens of OIDC providers have a few
	// kilobytes, and STS takes 20,000 characters.
	maxTokenFile = 32 << 10
)

// unsupported are the keys of a profile that stand for what this package does
// not do, with what it is. The first of them that a profile has is named.
var unsupported = []struct{ key, what string }{
	{"source_profile", "a role taken on from another profile (source_profile)"},
	{"credential_source", "a role taken on with credential_source"},
	{"sso_session", "IAM Identity Center (sso_session)"},
	{"sso_start_url", "IAM Identity Center (sso_start_url)"},
	{"login_session", "a console login (login_session)"},
	{"credential_process", "a program that prints keys (credential_process)"},
	{"role_arn", "a role without a web identity (role_arn)"},
}

// fromProfile reads one profile of the shared files (AWS SDKs and tools
// reference guide, "Shared config and credentials files"): static keys, or a
// role with a web identity token.
func (p *provider) fromProfile(registryRegion string) source {
	name, named := p.opts.Profile, true
	for _, variable := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		if name == "" {
			name = p.getenv(variable)
		}
	}
	if name == "" {
		name, named = "default", false
	}
	s := source{name: "profile " + name}
	profile, err := p.readProfile(name)
	if err != nil {
		s.keys = func(context.Context) (identity, error) {
			return identity{}, misconfigured(s.name, err.Error(), "")
		}
		return s
	}
	if profile == nil && named {
		s.keys = func(context.Context) (identity, error) {
			return identity{}, misconfigured(s.name, "there is no such profile in the shared credentials and config files", "check AWS_PROFILE")
		}
		return s
	}
	return p.profileSource(s, profile, registryRegion)
}

func (p *provider) profileSource(s source, profile map[string]string, registryRegion string) source {
	id, secret := profile["aws_access_key_id"], profile["aws_secret_access_key"]
	if file := profile["web_identity_token_file"]; file != "" && id == "" {
		return p.assuming(s, webRole{
			file: file, arn: profile["role_arn"], session: profile["role_session_name"],
			region: p.stsRegion(profile["region"], registryRegion),
		})
	}
	for _, u := range unsupported {
		// Static keys go before the later ones, as in the SDKs; a role that
		// they are to take on does not.
		if profile[u.key] == "" || id != "" && u.key != "role_arn" && u.key != "source_profile" {
			continue
		}
		s.keys = func(context.Context) (identity, error) {
			return identity{}, misconfigured(s.name, "it has "+u.what+", which is not supported here",
				"use the library of amazon-ecr-credential-helper with auth.FromHelper, or its docker-credential-ecr-login")
		}
		return s
	}
	if id == "" && secret == "" {
		s.why = "it has no keys"
		if profile == nil {
			s.why = "there is no such profile"
		}
		return s
	}
	s.keys = func(context.Context) (identity, error) {
		if id == "" || secret == "" {
			return identity{}, misconfigured(s.name, "it has only one of aws_access_key_id and aws_secret_access_key", "")
		}
		return identity{from: s.name, keys: credentials.Credentials{
			AccessKeyID: id, SecretAccessKey: secret, SessionToken: profile["aws_session_token"],
		}}, nil
	}
	return s
}

// readProfile merges what the two files say; the credentials file decides. Nil
// means that neither has the profile.
func (p *provider) readProfile(name string) (map[string]string, error) {
	home := p.getenv("HOME")
	if runtime.GOOS == "windows" {
		home = p.getenv("USERPROFILE")
	}
	var profile map[string]string
	for _, file := range []struct {
		variable, base string
		sections       []string
	}{
		{"AWS_CONFIG_FILE", "config", []string{"profile " + name}},
		{"AWS_SHARED_CREDENTIALS_FILE", "credentials", []string{name}},
	} {
		path := p.getenv(file.variable)
		if path == "" && home != "" {
			path = filepath.Join(home, ".aws", file.base)
		}
		if path == "" {
			continue
		}
		data, err := readFile(path, maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if name == "default" {
			file.sections = append([]string{"default"}, file.sections...)
		}
		found := parseShared(data)
		for _, section := range file.sections {
			for key, value := range found[section] {
				if profile == nil {
					profile = map[string]string{}
				}
				profile[key] = value
			}
			if _, exists := found[section]; exists && profile == nil {
				profile = map[string]string{}
			}
		}
	}
	return profile, nil
}

// parseShared reads sections of key = value. As in the SDKs, lines that are
// none of both are passed by, and so are indented ones, which belong to keys
// of no use here. Keys are in lower case. A section's name has one space
// between its words.
func parseShared(data []byte) map[string]map[string]string {
	sections := map[string]map[string]string{}
	var section map[string]string
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	lines.Buffer(nil, maxFile+1)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), " \t\r")
		if strings.HasPrefix(strings.TrimLeft(line, " \t"), "[") {
			head, _, _ := strings.Cut(line, "#")
			head, _, _ = strings.Cut(head, ";")
			head = strings.TrimSpace(head)
			if inner, closed := strings.CutSuffix(head[1:], "]"); closed {
				name := strings.Join(strings.Fields(inner), " ")
				if sections[name] == nil {
					sections[name] = map[string]string{}
				}
				section = sections[name]
			}
			continue
		}
		if line == "" || section == nil || strings.ContainsAny(line[:1], " \t#;") {
			continue
		}
		for _, mark := range []string{" #", " ;", "\t#", "\t;"} {
			line, _, _ = strings.Cut(line, mark)
		}
		if key, value, found := strings.Cut(line, "="); found {
			section[strings.ToLower(strings.TrimSpace(key))] = unquote(strings.TrimSpace(value))
		}
	}
	return sections
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// readFile reads a file of at most max bytes.
func readFile(path string, max int64) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, fmt.Errorf("%s: it is not a regular file", path) // a pipe would be waited on
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(data)) > max {
		err = fmt.Errorf("%s: more than %d bytes", path, max)
	}
	return data, err
}

// readToken reads a token that somebody else keeps fresh: anew at each use. It
// goes into a header, so it must be one line.
func readToken(path string) (string, error) {
	data, err := readFile(path, maxTokenFile)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(data))
	switch {
	case token == "":
		return "", fmt.Errorf("%s: it is empty", path)
	case strings.ContainsFunc(token, unicode.IsControl):
		return "", fmt.Errorf("%s: it is not one line", path)
	}
	return token, nil
}
