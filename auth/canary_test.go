package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Nothing that this package exports shows a secret, whoever prints it.
func Test56SecretsDoNotPrint(t *testing.T) {
	c := Credential{Username: "bob", Password: NewSecret(canary), IdentityToken: NewSecret(canary), RegistryToken: NewSecret(canary), Origin: Origin{Kind: "k"}}
	w := newWorld(t)
	w.user, w.password, w.refresh = "bob", canary, canary
	memory := NewMemoryStore()
	if _, err := memory.Put(t.Context(), w.resource(""), c); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	file := fileStore(t, "", &FileOptions{Plaintext: PlaintextWarn, Logger: logger})
	result, err := Login(t.Context(), file, w.resource(""), password("bob", canary), &LoginOptions{PlainHTTP: true, Signer: SignerOptions{Logger: logger}})
	if err != nil {
		t.Fatal(err)
	}
	signer := newSigner(t, &SignerOptions{Provider: Chain(file, memory), Logger: logger})
	w.do(t, signer, "GET", "a", "pull")
	_, denied := w.signer(t, password("bob", canary+"-wrong")).Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), send)
	_, broken := fileStore(t, `{"auths":{"r.io":{"auth":"`+b64(canary)+`"}}}`, nil).Credential(t.Context(), Resource{Host: "r.io"})
	if denied == nil || broken == nil {
		t.Fatal("an error is missing")
	}
	inner := struct{ c Credential }{c} // fmt may not call methods in here
	values := map[string]any{
		"Secret": c.Password, "*Secret": &c.Password, "Credential": c, "*Credential": &c, "wrapped": inner, "slice": []Credential{c}, "map": map[string]Secret{"a": c.Password},
		"MemoryStore": memory, "FileStore": file, "Signer": signer, "Static": Static(Resource{Host: "r.io"}, c), "LoginResult": result, "Origin": c.Origin,
		"SignerOptions": SignerOptions{Provider: memory}, "denied": denied, "broken": broken, "joined": errors.Join(denied, broken), "Hint": Hint{Resource: w.resource("a")},
	}
	var e *Error
	if errors.As(denied, &e) {
		values["Error"] = *e
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			noCanary(t, name+" "+verb, text)
			if strings.Contains(text, fmt.Sprintf("%x", canary)) {
				t.Errorf("%s %s shows a secret in hexadecimal", name, verb)
			}
		}
		data, _ := json.Marshal(v) // some cannot be marshalled, which hides as well
		noCanary(t, name+" in JSON", string(data))
		logger.Info("value", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("value", "v", v)
	}
	noCanary(t, "the log", log.String())
	if !strings.Contains(log.String(), "lifetime") {
		t.Error("the token fetch is not in the debug log, so this test has not seen it")
	}
	// Each method by itself, which another one may hide from fmt or JSON.
	text, err := c.Password.MarshalText()
	data, jsonErr := c.Password.MarshalJSON()
	keys, keysErr := json.Marshal(map[Secret]int{c.Password: 1})
	for name, got := range map[string]string{
		"String": c.Password.String(), "GoString": c.Password.GoString(), "LogValue": c.Password.LogValue().String(), "MarshalText": string(text),
		"MarshalJSON": strings.Trim(string(data), `"`), "a key in JSON": strings.NewReplacer(`{"`, "", `":1}`, "").Replace(string(keys)),
	} {
		if got != "REDACTED" {
			t.Errorf("%s gives %s", name, got)
		}
	}
	if err := errors.Join(err, jsonErr, keysErr); err != nil {
		t.Error(err)
	}
	if !c.Password.Equal(NewSecret(canary)) || c.Password.Reveal() != canary || c.Password.Equal(Secret{}) {
		t.Error("the secret is not what it was")
	}
}
