package serviceprotocol

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
)

// extensionAt is the index of the extension map where it is not the last element; -1 where
// there is none.
var extensionAt = map[Type]int{1: 5, 2: 2, 3: -1, 13: 4, 15: -1, 20: 4, 40: 1}

// owners are the types that may carry each extension key.
var owners = map[int64][]Type{
	1: {4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19, 21, 23, 24, 25, 26, 27, 30, 31, 32, 33, 34, 35, 36, 40},
	2: {16, 26},
	3: {4, 35},
	4: {7, 8, 9, 10, 13, 14},
	5: {6},
	6: {6},
}

func TestWrittenExtensions(t *testing.T) {
	eachType(t, func(t *testing.T, typ Type) {
		t.Run("H21 extension keys of "+typ.String(), func(t *testing.T) {
			var want []int64
			for key := int64(1); key <= 6; key++ {
				for _, owner := range owners[key] {
					if owner == typ {
						want = append(want, key)
					}
				}
			}
			for message, keys := range map[Message][]int64{filled(typ): want, catalogue[typ].fresh(): nil} {
				parts := elements(t, message)
				at, special := extensionAt[typ]
				if !special {
					at = len(parts) - 1
				}
				for i, part := range parts {
					if i == at {
						require.Equal(t, keys, mapKeys(t, part))
					}
				}
			}
		})
	})
}

func mapKeys(t *testing.T, b []byte) (keys []int64) {
	n, b, err := msgp.ReadMapHeaderBytes(b)
	require.NoError(t, err)
	for range n {
		var key int64
		key, b, err = msgp.ReadInt64Bytes(b)
		require.NoError(t, err)
		keys = append(keys, key)
		b, err = msgp.Skip(b)
		require.NoError(t, err)
	}
	require.Empty(t, b)
	return keys
}

func TestWrittenContainers(t *testing.T) {
	eachType(t, func(t *testing.T, typ Type) {
		t.Run("H21 no nil lists or maps in "+typ.String(), func(t *testing.T) {
			full, empty := elements(t, filled(typ)), elements(t, catalogue[typ].fresh())
			for i := range empty {
				switch kind := msgp.NextType(full[i]); kind {
				case msgp.ArrayType, msgp.MapType:
					require.Equal(t, kind, msgp.NextType(empty[i]), "element %d", i)
				}
			}
		})
	})
}

func TestWrittenLength(t *testing.T) {
	eachType(t, func(t *testing.T, typ Type) {
		longest := accepted[typ][len(accepted[typ])-1]
		if typ == TypePing {
			longest = 3
		}
		require.Len(t, elements(t, filled(typ)), longest)
	})
}

func TestWrittenHeaders(t *testing.T) {
	for _, c := range []struct {
		name          string
		headers, want []Header
	}{
		{"H21 header names that differ in case", []Header{
			{"Accept", []string{"a"}}, {"origin", []string{"o"}}, {"accept", []string{"b", "c"}}, {"ACCEPT", nil}, {"Origin", []string{"p"}},
		}, []Header{{"Accept", []string{"a", "b", "c"}}, {"origin", []string{"o", "p"}}}},
		{"H21 the same header name", []Header{{"A", []string{"1"}}, {"A", []string{"1"}}}, []Header{{"A", []string{"1", "1"}}}},
		{"a header without values", []Header{{"A", nil}}, []Header{{"A", nil}}},
		{"other names", []Header{{"A", []string{"1"}}, {"AA", []string{"1"}}}, []Header{{"A", []string{"1"}}, {"AA", []string{"1"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			opened := parse(t, (&OpenConnection{Headers: c.headers}).Append(nil)).(*OpenConnection)
			require.Equal(t, c.want, opened.Headers)
			closed := parse(t, (&CloseConnection{Headers: c.headers}).Append(nil)).(*CloseConnection)
			require.Equal(t, c.want, closed.Headers)
		})
	}
	var many []Header
	for i := range 100 {
		many = append(many, Header{Name: fmt.Sprintf("x-%d", i), Values: []string{"v"}})
	}
	require.Equal(t, many, parse(t, (&OpenConnection{Headers: many}).Append(nil)).(*OpenConnection).Headers)
}

func TestHeaderValue(t *testing.T) {
	headers := []Header{{"X-Empty", nil}, {"asrs-migrate-to", []string{"s1", "s2"}}}
	value, ok := HeaderValue(headers, HeaderMigrateTo)
	require.True(t, ok)
	require.Equal(t, "s1", value)
	for _, name := range []string{"X-Empty", HeaderMigrateFrom} {
		_, ok = HeaderValue(headers, name)
		require.False(t, ok, name)
	}
}

func TestClaims(t *testing.T) {
	t.Run("H22 claims of the same type", func(t *testing.T) {
		claims := []Claim{{"role", "b"}, {"sub", "u1"}, {"role", "a"}, {"role", "b"}, {"", ""}}
		opened := parse(t, (&OpenConnection{ConnectionID: "C1", Claims: claims}).Append(nil)).(*OpenConnection)
		require.Equal(t, claims, opened.Claims)
	})
}
