package values

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/hubprotocol"
)

type named string

func (n named) MarshalText() ([]byte, error) { return []byte("<" + n + ">"), nil }

// note has the kinds of fields that methods have.
type note struct {
	Text  string         `json:"text"`
	Data  []byte         `json:"data,omitempty"`
	Count *int           `json:"count"`
	When  time.Time      `json:"when,omitzero"`
	Inner *note          `json:"inner,omitempty"`
	Names map[string]int `json:"names,omitempty"`
}

type embedded struct {
	note
	Extra int
}

type quoted struct {
	N int64 `json:"n,string"`
}

type tagged struct {
	A      int `json:"-"`
	B      int `json:"-,"`
	C      int `json:",omitempty"`
	D      *int
	E      any       `json:"e,omitempty"`
	F      time.Time `json:"f,omitzero"`
	G      [2]bool
	hidden int
}

type recursive struct{ Next *recursive }

func TestPackedMeansWhatJSONDoes(t *testing.T) {
	one := 1
	for name, value := range map[string]any{
		"nil": nil, "true": true, "int": -5, "large": uint64(math.MaxUint64), "float": 1.5, "float32": float32(0.25),
		"text": "é\xff", "list": []int{1, 2}, "nil list": []int(nil), "array": [2]string{"a", "b"},
		"map": map[string]any{"b": nil, "a": []any{1, "x"}}, "nil map": map[string]int(nil), "map of ints": map[int]string{1: "a"},
		"text marshaler": named("x"), "map of marshalers": map[named]int{"a": 1}, "raw": json.RawMessage(`{"a":[1,null]}`),
		"number": json.Number("12"), "pointer": &one, "nil pointer": (*note)(nil), "any": []any{any(&one)},
		"struct":   note{Text: "x", Count: &one, Inner: &note{}, Names: map[string]int{"k": 1}},
		"embedded": embedded{note{Text: "x", Data: []byte{1}}, 2}, "quoted": quoted{5},
		"tagged": tagged{A: 1, B: 2, hidden: 3}, "tagged all": tagged{C: 1, D: &one, E: 1, G: [2]bool{true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := json.Marshal(value)
			require.NoError(t, err)
			b, err := appendPacked(nil, value)
			require.NoError(t, err)
			got, err := hubprotocol.AppendMessagePackAsJSON(nil, b)
			require.NoError(t, err)
			require.JSONEq(t, string(want), string(got))
		})
	}
	t.Run("binary and times have types of their own", func(t *testing.T) {
		when := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
		b, err := appendPacked(nil, note{Data: []byte{1, 2}, When: when})
		require.NoError(t, err)
		fields, _, err := msgp.ReadMapStrIntfBytes(b, nil)
		require.NoError(t, err)
		require.Equal(t, []byte{1, 2}, fields["data"])
		require.True(t, when.Equal(fields["when"].(time.Time)))
		var back note
		require.NoError(t, Decode(hubprotocol.MessagePack, b, &back))
		require.Equal(t, note{Data: []byte{1, 2}, When: when}, back)
	})
	t.Run("what has no encoding", func(t *testing.T) {
		endless := &recursive{}
		endless.Next = endless
		for _, value := range []any{make(chan int), func() {}, []any{make(chan int)}, map[string]any{"a": make(chan int)},
			struct{ C chan int }{}, endless, map[int]chan int{1: nil}} {
			_, err := appendPacked(nil, value)
			require.Error(t, err)
		}
	})
}
