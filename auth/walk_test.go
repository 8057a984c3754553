package auth

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzWalk compares with the decoder of the standard library.
func FuzzWalk(f *testing.F) {
	for _, seed := range []string{`{}`, `[]`, ` { "a" : 1 , "b":[1,2,{"c":"]}"}],"d\"\\\\":"x\\"}`, `[null,true,-1.5e3,"a,b", {"x":{}} ,[[]]]`, `{"a":{"b":"}"},"a":null}`, "[\"\xff\"]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		trimmed := bytes.TrimSpace(data)
		if len(trimmed) == 0 || trimmed[0] != '{' && trimmed[0] != '[' {
			return
		}
		if !json.Valid(trimmed) {
			for w := (walk{trimmed[1:]}); w.more(); { // it ends, and within data
				w.value()
			}
			return
		}
		decoder := json.NewDecoder(bytes.NewReader(trimmed))
		_, err := decoder.Token()
		require.NoError(t, err)
		w := walk{trimmed[1:]}
		for decoder.More() {
			require.True(t, w.more())
			if trimmed[0] == '{' {
				name, err := decoder.Token()
				require.NoError(t, err)
				require.Equal(t, name, scalar(w.value()))
				require.True(t, w.more())
			}
			var value json.RawMessage
			require.NoError(t, decoder.Decode(&value))
			require.Equal(t, string(value), string(w.value()))
		}
		require.False(t, w.more())
	})
}
