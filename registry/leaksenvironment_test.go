package registry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/registry"
)

// leaksEnvironment are what a user's environment and files may hold that is
// secret, in forms that cannot be used: what cannot be read is complained of.
func leaksEnvironment(dir, proxy, authConfig string) []string {
	return []string{
		"HTTPS_PROXY=" + proxy, "https_proxy=" + proxy, "HTTP_PROXY=" + proxy, "NO_PROXY=127.0.0.1",
		"DOCKER_AUTH_CONFIG=" + authConfig,
		"PORTOLAN_REGISTRY=https://me:canary@127.0.0.1", "PORTOLAN_USERNAME=me:x", "PORTOLAN_PASSWORD=canary",
		"DOCKER_CONFIG=" + filepath.Join(dir, "docker"), "HELM_REGISTRY_CONFIG=" + filepath.Join(dir, "helm.json"),
		"REGISTRY_AUTH_FILE=" + filepath.Join(dir, "auth.json"), "XDG_RUNTIME_DIR=" + dir, "XDG_CONFIG_HOME=" + dir, "HOME=" + dir,
		"PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH"),
	}
}

// A program that takes all that the user's environment and files have shows
// nothing of them, in errors or its log, however broken they are.
func Test56Environment(t *testing.T) {
	if host := os.Getenv("PORTOLAN_TEST_HOST"); host != "" {
		leaksInEnvironment(host)
		return
	}
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer refusing.Close()
	host := strings.TrimPrefix(refusing.URL, "http://")
	for name, tc := range map[string]struct{ proxy, authConfig, file, helper string }{
		"no colon":             {"http://u:canary@127.0.0.1:1", `{"auths":{"HOST":{"auth":"Y2FuYXJ5"}}}`, `{"auths":{"HOST":{"auth":"Y2FuYXJ5"}}}`, ""},
		"not JSON":             {"u:canary@[x", `canary`, `canary`, ""},
		"broken off":           {"http://u:canary#x@h", `{"auths":{"HOST":{"auth":"canary`, `{"auths":{"HOST":{"registrytoken":"canary`, ""},
		"another type":         {"http://u:canary/x@h", `{"auths":{"HOST":"canary"}}`, `{"auths":{"HOST":{"password":["canary"]}}}`, ""},
		"a number":             {"ftp://u:canary@127.0.0.1:1", `{"auths":"canary"}`, `{"auths":{"HOST":{"identitytoken":1,"auth":"canary"}}}`, ""},
		"unknown fields":       {"://u:canary@x", `{"auths":{"HOST":{"canary":"canary"}},"canary":1}`, `{"auths":{"HOST":{"canary":"canary"}}}`, ""},
		"not base64":           {"http://u:canary@%zz", `{"auths":{"HOST":{"auth":"canary!"}}}`, `{"auths":{"HOST":{"auth":"canary!"}}}`, ""},
		"control characters":   {"http://u:ca\x01canary@h", `{"auths":{"HOST":{"auth":"` + leaksB64("me\x01:canary") + `"}}}`, `{"auths":{"HOST":{"auth":"` + leaksB64("me\x01:canary") + `"}}}`, ""},
		"good, and not taken":  {"", `{"auths":{"HOST":{"auth":"` + leaksB64("me:canary") + `"}}}`, `{"auths":{"HOST":{"auth":"` + leaksB64("me:canary") + `"}}}`, ""},
		"a helper's answer":    {"", ``, `{"credsStore":"leaks"}`, `echo '{"Username":"me","Secret":"canary"'`},
		"a helper's failure":   {"", ``, `{"credsStore":"leaks"}`, `echo '{"Secret":"canary"}'; echo canary; exit 1`},
		"a helper's complaint": {"", ``, `{"credsStore":"leaks"}`, `echo sorry; echo canary; exit 1`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := strings.ReplaceAll(tc.file, "HOST", host)
			for _, at := range []string{"docker/config.json", "helm.json", "auth.json", "containers/auth.json"} {
				hostsWrite(t, file, dir, at)
			}
			helper := hostsWrite(t, "#!/bin/sh\ncat >/dev/null\n"+tc.helper+"\n", dir, "docker-credential-leaks")
			if err := os.Chmod(helper, 0o700); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0], "-test.run=^Test56Environment$")
			cmd.Env = append(leaksEnvironment(dir, tc.proxy, strings.ReplaceAll(tc.authConfig, "HOST", host)), "PORTOLAN_TEST_HOST="+host)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v: %s", err, out.String())
			}
			if text := out.String(); strings.Contains(text, "canary") || strings.Contains(text, "Y2FuYXJ5") || strings.Count(text, "RESULT") != 2 {
				t.Errorf("it shows:\n%s", text)
			}
		})
	}
}

// leaksInEnvironment prints all that a client with the user's defaults says of
// a registry that refuses it, and of one behind the proxy.
func leaksInEnvironment(host string) {
	client, err := registry.NewDefault()
	if err != nil {
		fmt.Printf("RESULT %v\nRESULT %+v\n", err, err)
		return
	}
	for _, at := range []string{host, "r.example"} {
		repo, err := client.Repository(registry.Reference{Host: at, Repository: "a"})
		if err == nil {
			_, err = repo.Resolve(context.Background(), "1")
		}
		fmt.Println("RESULT", strings.Join(leaksChain(err), "\n"))
	}
}

func leaksB64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
