package signature_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/webhook/signature"
)

// vector is a row of the table that the helpers of all languages are tested with.
type vector struct {
	Name             string
	Keys             []string
	ToleranceSeconds int
	Now              int64
	Method, Target   string
	Body             []byte `json:"bodyBase64"`
	Header, Expect   string
	ID               string
}

func vectors(tb testing.TB) []vector {
	text, err := os.ReadFile("testdata/vectors.json")
	require.NoError(tb, err)
	var all []vector
	require.NoError(tb, json.Unmarshal(text, &all))
	require.Greater(tb, len(all), 30)
	return all
}

var outcomes = map[string]error{
	"ok": nil, "missing": signature.ErrMissing, "malformed": signature.ErrMalformed, "time": signature.ErrTime, "mismatch": signature.ErrMismatch,
}

func (v *vector) verifier() *signature.Verifier {
	return &signature.Verifier{
		Keys: v.Keys, Tolerance: time.Duration(v.ToleranceSeconds) * time.Second, Now: func() time.Time { return time.Unix(v.Now, 0) },
	}
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			want, known := outcomes[v.Expect]
			require.True(t, known)
			event, err := v.verifier().Verify(v.Header, v.Method, v.Target, v.Body)
			require.ErrorIs(t, err, want)
			require.Equal(t, v.ID, event.ID)
		})
	}
}

// What the gateway writes is what the table has, key by key.
func TestAppend(t *testing.T) {
	v := vectors(t)[1]
	have := signature.Append(nil, []string{v.Keys[0], "", "another-key-another-key-another-key-another"}, time.Unix(v.Now, 0), v.ID, v.Method, v.Target, v.Body)
	require.Equal(t, v.Header, string(have))
}

func TestRequest(t *testing.T) {
	v := vectors(t)[0]
	r := httptest.NewRequest(v.Method, v.Target, strings.NewReader(string(v.Body)))
	_, err := v.verifier().Request(r, v.Body)
	require.ErrorIs(t, err, signature.ErrMissing)
	r.Header.Set(signature.Header, v.Header)
	event, err := v.verifier().Request(r, v.Body)
	require.NoError(t, err)
	require.Equal(t, signature.Event{ID: v.ID, Sent: time.Unix(v.Now, 0)}, event)
	r.Header.Add(signature.Header, v.Header)
	_, err = v.verifier().Request(r, v.Body)
	require.ErrorIs(t, err, signature.ErrMalformed)
}

// A request that is made by hand has no first line yet.
func TestRequestThatWasNotSent(t *testing.T) {
	v := vectors(t)[0]
	r, err := http.NewRequest(v.Method, "http://app.example"+v.Target, nil)
	require.NoError(t, err)
	r.Header.Set(signature.Header, v.Header)
	_, err = v.verifier().Request(r, v.Body)
	require.NoError(t, err)
}

func FuzzVerify(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.Header, v.Method, v.Target, v.Body)
	}
	key := strings.Repeat("k", 32)
	v := signature.Verifier{Keys: []string{key}}
	f.Fuzz(func(t *testing.T, header, method, target string, body []byte) {
		if event, err := v.Verify(header, method, target, body); err == nil {
			t.Fatalf("%q was taken as signed: %v", header, event)
		} else if !errors.Is(err, signature.ErrMissing) && !errors.Is(err, signature.ErrMalformed) && !errors.Is(err, signature.ErrTime) && !errors.Is(err, signature.ErrMismatch) {
			t.Fatalf("another error: %v", err)
		}
		signed := signature.Append(nil, []string{key}, time.Now(), "id", method, target, body)
		if _, err := v.Verify(string(signed), method, target, body); err != nil {
			t.Fatalf("what was signed is not taken: %v", err)
		}
	})
}
