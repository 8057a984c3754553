package serviceprotocol

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// v42 is vector V42, a payload of a hub server of ASP.NET SignalR.
const v42 = "319406a0c42b7b2243223a2230222c224d223a5b7b2248223a2243686174222c224d223a2274222c2241223a5b5d7d5d7d80"

// H85, C115: the payload is unwrapped once, and wrapped byte for byte as hub servers do it.
func TestH85WrappedPayload(t *testing.T) {
	const text = `{"C":"0","M":[{"H":"Chat","M":"t","A":[]}]}`
	payload := unhex(t, v42)
	got, err := Unwrap(payload)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
	require.Equal(t, payload, AppendWrapped(nil, []byte(text)))
	require.Equal(t, "x"+string(payload), string(AppendWrapped([]byte("x"), []byte(text))))
	again, err := Unwrap(AppendWrapped(nil, payload))
	require.NoError(t, err)
	require.Equal(t, payload, again, "once, whatever is inside")
}

func TestH85WrappedPayloadsOfOtherShapes(t *testing.T) {
	for name, payload := range map[string]string{
		"a connection id": "089306a24331c40178", "no id": "069306c0c40178", "further elements": "099606a0c4017880c0c0",
	} {
		text, err := Unwrap(unhex(t, payload))
		require.NoError(t, err, name)
		require.Equal(t, "x", string(text), name)
	}
	large := bytes.Repeat([]byte("x"), 1<<20)
	text, err := Unwrap(AppendWrapped(nil, large))
	require.NoError(t, err)
	require.Equal(t, large, text)
}

func TestH85WhatIsNoWrappedPayload(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		reason  Reason
	}{
		"nothing":                 {"", ReasonTruncated},
		"a prefix that goes on":   {"80", ReasonTruncated},
		"a prefix without end":    {"808080808000", ReasonTruncated},
		"more announced":          {"ffffffff07", ReasonTruncated},
		"cut short":               {v42[:len(v42)-2], ReasonTruncated},
		"bytes behind":            {v42 + "00", ReasonTrailing},
		"bytes behind the array":  {"079306a0c4017800", ReasonTrailing},
		"an empty body":           {"00", ReasonTruncated},
		"no array":                {"01c3", ReasonWrongType},
		"nil":                     {"01c0", ReasonTooFew},
		"too few":                 {"039206a0", ReasonTooFew},
		"another type":            {"069303a0c40178", ReasonWrongType},
		"a payload that is text":  {"059306a0a178", ReasonWrongType},
		"a payload longer":        {"069306a0c4ff78", ReasonTruncated},
		"an array of many":        {"05dd7fffffff", ReasonTooMany},
		"an id that is a number":  {"05930601c400", ReasonWrongType},
		"a huge element in front": {"0adbffffffff0000000000", ReasonWrongType},
	} {
		_, err := Unwrap(unhex(t, c.payload))
		require.ErrorIs(t, err, ErrMalformed, name)
		var e *Error
		require.ErrorAs(t, err, &e, name)
		require.Equal(t, c.reason, e.Reason, name)
	}
}

func TestUnwrapAllocatesNothing(t *testing.T) {
	payload := unhex(t, v42)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = Unwrap(payload) }))
}

func FuzzUnwrap(f *testing.F) {
	f.Add(unhex(f, v42))
	f.Add(unhex(f, "099606a0c4017880c0c0"))
	f.Add([]byte(strings.Repeat("\x91", 64)))
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := bytes.Clone(payload)
		text, err := Unwrap(payload)
		require.Equal(t, before, payload)
		body, rest, cutErr := Cut(payload, len(payload))
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		require.NoError(t, cutErr)
		require.Empty(t, rest)
		if m, err := Parse(body); err == nil { // Unwrap does not look at extensions
			require.Equal(t, string(m.(*ConnectionData).Payload), string(text))
		}
		again, err := Unwrap(AppendWrapped(nil, text))
		require.NoError(t, err)
		require.Equal(t, string(text), string(again))
	})
}

func BenchmarkUnwrap(b *testing.B) {
	payload := unhex(b, v42)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Unwrap(payload); err != nil {
			b.Fatal(err)
		}
	}
}
