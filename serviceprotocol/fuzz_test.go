package serviceprotocol

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func seed(f *testing.F) {
	for _, v := range allVectors() {
		f.Add(unhex(f, v.hex))
	}
}

// seedBodies seeds with messages without their length prefix.
func seedBodies(f *testing.F) {
	for _, v := range allVectors() {
		f.Add(cut(f, unhex(f, v.hex)))
	}
	for _, hostile := range []string{"\xdd\xff\xff\xff\xff\x03", "\x93\x07\xdd\x00\x10\x00\x00\xa1c", "\x95\x05\xa1c\xa0\x82\xa1n\x90\xa1N\x90\x80"} {
		f.Add([]byte(hostile))
	}
}

func FuzzCut(f *testing.F) {
	seed(f)
	f.Add([]byte("\xff\xff\xff\xff\x07"))
	f.Add([]byte("\x80\x80\x80\x80\x80\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		const max = 1 << 10
		if len(b) > 4*max {
			return
		}
		var whole [][]byte
		rest := b
		for {
			body, after, err := Cut(rest, max)
			if body == nil {
				require.Equal(t, rest, after)
				requireReader(t, b, max, whole, err, len(rest))
				return
			}
			require.NoError(t, err)
			require.LessOrEqual(t, len(body), max)
			require.True(t, bytes.HasSuffix(rest[:len(rest)-len(after)], body))
			again, _, err := Cut(AppendFrame(nil, body), max)
			require.NoError(t, err)
			require.Equal(t, body, again)
			whole = append(whole, body)
			rest = after
		}
	})
}

// requireReader reads the same stream byte by byte.
func requireReader(t *testing.T, b []byte, max int, want [][]byte, fault error, left int) {
	r := NewReader(iotest.OneByteReader(bytes.NewReader(b)), max)
	for _, body := range want {
		got, err := r.Next()
		require.NoError(t, err)
		require.Equal(t, body, got)
	}
	_, err := r.Next()
	switch {
	case fault != nil:
		require.Equal(t, fault, err)
	case left > 0:
		require.Equal(t, io.ErrUnexpectedEOF, err)
	default:
		require.Equal(t, io.EOF, err)
	}
}

func FuzzParse(f *testing.F) {
	seedBodies(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		message, err := Parse(body)
		decoder := NewDecoder()
		_, _ = decoder.Decode(body)
		decoded, decodeErr := decoder.Decode(body)
		require.Equal(t, before, body)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			require.Equal(t, err, decodeErr)
			require.Nil(t, message)
			return
		}
		require.NoError(t, decodeErr)
		require.Equal(t, message, decoded)
		_, _ = ParseGroupMembers(body)
	})
}

func FuzzRoundTrip(f *testing.F) {
	seedBodies(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		message, err := Parse(body)
		if err != nil {
			return
		}
		written := message.Append(nil)
		rewritten := parse(t, written)
		require.Equal(t, message.Type(), rewritten.Type())
		require.Equal(t, written, rewritten.Append(nil))
		switch m := message.(type) {
		case *OpenConnection:
			m.Headers = rewritten.(*OpenConnection).Headers // those of one name are now one
		case *CloseConnection:
			m.Headers = rewritten.(*CloseConnection).Headers
		case *ClientCompletion:
			m.Payload = append([]byte{}, m.Payload...) // no payload is an empty one
		case *ConnectionData:
			m.Payload = append([]byte{}, m.Payload...)
		}
		requirePayloads(message)
		require.Equal(t, message, rewritten)
	})
}

// requirePayloads turns payloads that are nil into empty ones, as they are written.
func requirePayloads(m Message) {
	var payloads Payloads
	switch m := m.(type) {
	case *MultiConnectionData:
		payloads = m.Payloads
	case *UserData:
		payloads = m.Payloads
	case *MultiUserData:
		payloads = m.Payloads
	case *BroadcastData:
		payloads = m.Payloads
	case *GroupBroadcastData:
		payloads = m.Payloads
	case *MultiGroupBroadcastData:
		payloads = m.Payloads
	case *ClientInvocation:
		payloads = m.Payloads
	}
	for i := range payloads {
		payloads[i].Data = append([]byte{}, payloads[i].Data...)
	}
}

func FuzzGroupMembers(f *testing.F) {
	f.Add(unhex(f, "9290c0"))
	f.Add(unhex(f, "929292a24331c092a24332a27531a3746f6b"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		page, err := ParseGroupMembers(payload)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		again, err := ParseGroupMembers(page.Append(nil))
		require.NoError(t, err)
		require.Equal(t, page, again)
	})
}
