package gar

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func certificate(t *testing.T, key *rsa.PrivateKey) tls.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"*.googleapis.com", "*.pkg.dev", "platform.example"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (g *google) subjectToken(jti string) string {
	return signed(g.platform, map[string]any{
		"iss": "https://platform.example", "sub": "apps/deployer", "aud": "https:" + pool, "jti": jti, "exp": time.Now().Add(time.Hour).Unix(),
	})
}

// file writes a file of credentials, and has the environment name it.
func (g *google) file(fields map[string]any) string {
	g.t.Helper()
	content, err := json.Marshal(fields)
	if err != nil {
		g.t.Fatal(err)
	}
	path := g.write("credentials.json", string(content))
	g.t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
	return path
}

func (g *google) write(name, content string) string {
	g.t.Helper()
	path := filepath.Join(os.Getenv("HOME"), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		g.t.Fatal(err)
	}
	return path
}

func (g *google) keyFile() map[string]any {
	der, err := x509.MarshalPKCS8PrivateKey(g.key)
	if err != nil {
		g.t.Fatal(err)
	}
	return map[string]any{
		"type": "service_account", "project_id": "project", "private_key_id": "key-1", "client_email": robot, "token_uri": tokenURL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "universe_domain": "googleapis.com",
	}
}

func userFile() map[string]any {
	return map[string]any{"type": "authorized_user", "client_id": "gcloud", "client_secret": clientSecret, "refresh_token": refreshToken}
}

// federation is a credential configuration, changed by over.
func federation(source map[string]any, over map[string]any) map[string]any {
	f := map[string]any{
		"type": "external_account", "audience": pool, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": stsURL,
		"credential_source": source,
	}
	maps.Copy(f, over)
	return f
}

func signed(key *rsa.PrivateKey, claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// verify returns header and claims of a token that key has signed, and nil for
// any other.
func verify(key *rsa.PublicKey, token string) (head, claims map[string]any) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, nil
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) != nil {
		return nil, nil
	}
	for i, into := range []*map[string]any{&head, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, into) != nil {
			return nil, nil
		}
	}
	return head, claims
}
