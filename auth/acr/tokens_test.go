package acr

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
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
		DNSNames: []string{
			"*.azurecr.io", "*.azurecr.cn", "*.azurecr.us", "*.eastus.geo.azurecr.io",
			"login.microsoftonline.com", "login.chinacloudapi.cn", "login.microsoftonline.us", "login.other.example",
		},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *azure) accessToken() string {
	return sign(a.entra, map[string]any{
		"aud": "https://containerregistry.azure.net", "tid": tenant, "appid": clientID, "exp": time.Now().Add(time.Hour).Unix(),
	})
}

// federatedToken writes what the platform projects, for the workload identity
// of the environment.
func (a *azure) federatedToken(jti string) {
	a.t.Helper()
	file := os.Getenv("AZURE_FEDERATED_TOKEN_FILE")
	if file == "" {
		file = filepath.Join(a.t.TempDir(), "token")
		a.t.Setenv("AZURE_FEDERATED_TOKEN_FILE", file)
		a.t.Setenv("AZURE_TENANT_ID", tenant)
		a.t.Setenv("AZURE_CLIENT_ID", clientID)
	}
	token := sign(a.platform, map[string]any{
		"iss": "https://issuer.example", "sub": "system:serviceaccount:apps:deployer", "aud": "api://AzureADTokenExchange",
		"jti": jti, "exp": time.Now().Add(time.Hour).Unix(),
	})
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *azure) clientSecret() {
	a.t.Setenv("AZURE_TENANT_ID", tenant)
	a.t.Setenv("AZURE_CLIENT_ID", clientID)
	a.t.Setenv("AZURE_CLIENT_SECRET", secret)
}

func sign(key *rsa.PrivateKey, claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// verify returns the claims of a token that key has signed and that has not
// ended, and nil for any other.
func verify(key *rsa.PublicKey, token string) map[string]any {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) != nil {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	claims := map[string]any{}
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return nil
	}
	if exp, _ := claims["exp"].(float64); time.Now().Unix() > int64(exp) {
		return nil
	}
	return claims
}
