package ecr

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// FuzzFailure reads failures of anybody: a code is a short word.
func FuzzFailure(f *testing.F) {
	f.Add("", `{"__type":"com.amazonaws.ecr#X","code":"Y"}`)
	f.Add("X:http://x/", ``)
	f.Add("", `<ErrorResponse><Error><Code>X</Code></Error></ErrorResponse>`)
	f.Add("", `{"Code":"X"}`)
	f.Add("#:#", `{"__type":7}`)
	f.Fuzz(func(t *testing.T, header, body string) {
		h := http.Header{}
		h.Set("X-Amzn-ErrorType", header)
		if code := failureCode(h, []byte(body)); len(code) > 64 || strings.ContainsAny(code, " \n\t/=<>\"'{}") {
			t.Errorf("code %q", code)
		}
	})
}

// FuzzShared reads shared files of anybody: what is kept is in the file, keys
// are in lower case, and values are of one line.
func FuzzShared(f *testing.F) {
	f.Add("[default]\naws_access_key_id = A\n[profile  dev ] # x\n s3 =\n  a = b\nK=\"v\" ; x\n")
	f.Add("\xef\xbb\xbf[a]\r\nb=c\r\n")
	f.Add("a=b\n[x\n[]\n=\n[ y ]z\n\n#\n;\n[")
	f.Fuzz(func(t *testing.T, text string) {
		for section, keys := range parseShared([]byte(text)) {
			if strings.ContainsAny(section, "\n#;") {
				t.Errorf("section %q", section)
			}
			for key, value := range keys {
				if key != strings.ToLower(key) || strings.Contains(value, "\n") || !strings.Contains(text, value) {
					t.Errorf("%q = %q", key, value)
				}
			}
		}
	})
}

// The forms that the AWS documentation shows are read, and the later of two
// sections of a name adds to the earlier.
func TestShared(t *testing.T) {
	got := parseShared([]byte(`outside = 1
[default] ; a comment
AWS_ACCESS_KEY_ID=A # not this
aws_secret_access_key = "a#b;c"
region=
  s3 = x
# comment = 1
[profile   dev]
role_arn = arn:aws:iam::1:role/x
[default]
region = eu-west-1
no property
[broken
inside = default
`))
	want := map[string]map[string]string{
		"default":     {"aws_access_key_id": "A", "aws_secret_access_key": "a#b;c", "region": "eu-west-1", "inside": "default"},
		"profile dev": {"role_arn": "arn:aws:iam::1:role/x"},
	}
	if a, b := toJSON(t, got), toJSON(t, want); a != b {
		t.Errorf("got %s, want %s", a, b)
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
