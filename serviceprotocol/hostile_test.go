package serviceprotocol

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
)

func manyNames(n uint32) string {
	return string(msgp.AppendArrayHeader([]byte("\x93\x07"), n)) + strings.Repeat("\xa0", int(n)) + "\x80"
}

func manyPairs(n uint32) string {
	return string(msgp.AppendMapHeader([]byte("\x93\x0a\x90"), n)) + strings.Repeat("\xa0\xc0", int(n))
}

func manyTexts(n uint32) string {
	return string(msgp.AppendArrayHeader(nil, n+1)) + "\x03" + strings.Repeat("\xa0", int(n))
}

func nested(depth int) string {
	return "\x94\x0b\xa1c\xa1g\x81\x63" + strings.Repeat("\x91", depth) + "\xc0"
}

// bodies that are no messages, and some that just are.
var malformed = []struct {
	name, body string
	reason     Reason // empty: it is well-formed
}{
	{"nothing", "", ReasonTruncated},
	{"nil", "\xc0", ReasonTooFew},
	{"an empty array", "\x90", ReasonTooFew},
	{"a map", "\x81\x03\x03", ReasonWrongType},
	{"a number", "\x03", ReasonWrongType},
	{"a type that is a text", "\x91\xa13", ReasonWrongType},
	{"a type that is nil", "\x91\xc0", ReasonWrongType},
	{"a type beyond int32", "\x91\xce\xff\xff\xff\xff", ReasonOutOfRange},
	{"a type beyond int64", "\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff", ReasonOutOfRange},
	{"a byte that MessagePack does not have", "\x93\x0b\xc1\xa1g", ReasonWrongType},
	{"elements that are not there", "\x94\x12\xa1c", ReasonTruncated},
	{"too few elements", "\x93\x12\xa1c\xa1g", ReasonTooFew},
	{"a connection that is a number", "\x93\x06\x05\xc4\x00", ReasonWrongType},
	{"a connection that is binary", "\x93\x06\xc4\x01c\xc4\x00", ReasonWrongType},
	{"a payload that is a text", "\x93\x06\xa1c\xa1p", ReasonWrongType},
	{"an ack id that is nil", "\x94\x12\xa1c\xa1g\xc0", ReasonWrongType},
	{"an ack id beyond int32", "\x94\x12\xa1c\xa1g\xce\x80\x00\x00\x00", ReasonOutOfRange},
	{"a list that is a map", "\x93\x07\x80\x80", ReasonWrongType},
	{"payloads that are a list", "\x93\x0a\x90\x90", ReasonWrongType},
	{"a name in a list that is a number", "\x93\x07\x91\x01\x80", ReasonWrongType},
	{"header values that are a text", "\x94\x05\xa1c\xa0\x81\xa1n\xa1v", ReasonWrongType},
	{"a claim that is a list", "\x93\x04\xa1c\x81\xa1t\x90", ReasonWrongType},
	{"an extension that is a list", "\x94\x0b\xa1c\xa1g\x90", ReasonWrongType},
	{"a tracing id that is negative", "\x94\x0b\xa1c\xa1g\x81\x01\xff", ReasonOutOfRange},
	{"a tracing id that is a text", "\x94\x0b\xa1c\xa1g\x81\x01\xa0", ReasonWrongType},
	{"partial that is a number", "\x94\x06\xa1c\xc4\x00\x81\x06\x01", ReasonWrongType},
	{"a flag that is a number", "\x97\x01\x01\x00\xa0\x00\x80\x01", ReasonWrongType},
	{"an extension key without a value", "\x94\x0b\xa1c\xa1g\x81\x63", ReasonTruncated},
	{"bytes behind the array", "\x91\x03\x00", ReasonTrailing},
	{"bytes behind an unknown message", "\x91\x2a\x00", ReasonTrailing},
	{"an unknown message that is cut short", "\x92\x2a\x92\x01", ReasonTruncated},
	{"a ping of numbers", "\x93\x03\x01\x02", ReasonWrongType},

	{"2^32-1 elements", "\xdd\xff\xff\xff\xff\x03", ReasonTruncated},
	{"2^32-1 connections", "\x93\x07\xdd\xff\xff\xff\xff\xa1c", ReasonTooMany},
	{"a million connections that are not there", "\x93\x07\xdd\x00\x10\x00\x00\xa1c", ReasonTruncated},
	{"2^32-1 payloads", "\x93\x0a\x90\xdf\xff\xff\xff\xff\xa1c", ReasonTooMany},
	{"4096 payloads that are not there", "\x93\x0a\x90\xde\x10\x00\xa1c", ReasonTruncated},
	{"2^32-1 claims", "\x93\x04\xa1c\xdf\xff\xff\xff\xff\xa1c", ReasonTooMany},
	{"2^32-1 headers", "\x94\x05\xa1c\xa0\xdf\xff\xff\xff\xff\xa1c", ReasonTooMany},
	{"2^32-1 values of a header", "\x94\x05\xa1c\xa0\x81\xa1n\xdd\xff\xff\xff\xff\xa1c", ReasonTooMany},
	{"2^32-1 extensions", "\x94\x0b\xa1c\xa1g\xdf\xff\xff\xff\xff\x01", ReasonTooMany},
	{"2^32-1 entries in what is passed over", "\x92\x2a\xdf\xff\xff\xff\xff\x01", ReasonTruncated},
	{"a text of 2^32-1 bytes", "\x93\x06\xdb\xff\xff\xff\xffc\xc4\x00", ReasonTruncated},
	{"a payload of 2^32-1 bytes", "\x93\x06\xa1c\xc6\xff\xff\xff\xffp", ReasonTruncated},
	{"an extension value of 2^32-1 bytes", "\x92\x2a\xc9\xff\xff\xff\xff\x01", ReasonTruncated},

	{"as many names as may be", manyNames(MaxNames), ""},
	{"one name more", manyNames(MaxNames + 1), ReasonTooMany},
	{"as many payloads as may be", manyPairs(MaxPairs), ""},
	{"one payload more", manyPairs(MaxPairs + 1), ReasonTooMany},
	{"as many texts in a ping as may be", manyTexts(MaxPairs), ""},
	{"one text more", manyTexts(MaxPairs + 1), ReasonTooMany},
	{"as deep as may be", nested(MaxDepth), ""},
	{"one deeper", nested(MaxDepth + 1), ReasonTooDeep},
	{"a million deep", nested(1 << 20), ReasonTooDeep},
}

func TestMalformed(t *testing.T) {
	for _, c := range malformed {
		t.Run(c.name, func(t *testing.T) {
			body := []byte(c.body)
			_, err := Parse(body)
			_, decoded := NewDecoder().Decode(body)
			require.Equal(t, err, decoded)
			if c.reason == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrMalformed)
			var parseError *Error
			require.ErrorAs(t, err, &parseError)
			require.Equal(t, c.reason, parseError.Reason, err)
			require.NotEmpty(t, parseError.Field)
			require.Contains(t, Reasons(), parseError.Reason)
			require.Less(t, len(err.Error()), 100)
		})
	}
}

func TestEveryCutIsAnError(t *testing.T) {
	decoder := NewDecoder()
	for _, v := range allVectors() {
		body := cut(t, unhex(t, v.hex))
		for n := range body {
			_, err := Parse(body[:n])
			require.ErrorIs(t, err, ErrMalformed, "%s: %d bytes", v.name, n)
			_, err = decoder.Decode(body[:n])
			require.ErrorIs(t, err, ErrMalformed, "%s: %d bytes", v.name, n)
		}
		message, err := decoder.Decode(body)
		require.NoError(t, err)
		require.Equal(t, v.message, message, "after errors")
	}
}

func TestCountsTakeNoMemory(t *testing.T) {
	many := bytes.Repeat([]byte{0xc0}, 1<<10)
	for _, hostile := range []string{
		"\xdd\xff\xff\xff\xff\x03", "\x93\x07\xdd\x00\x10\x00\x00\xa1c", "\x93\x0a\x90\xde\x10\x00\xa1c", "\x93\x04\xa1c\xde\x10\x00",
		"\x94\x05\xa1c\xa0\x81\xa1n\xdd\x00\x00\x10\x00", "\x92\x2a\xdd\xff\xff\xff\xff", "\x93\x06\xa1c\xc6\x7f\xff\xff\xff",
	} {
		body := append([]byte(hostile), many...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse(body)
		_, page := ParseGroupMembers(body)
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, ErrMalformed)
		require.ErrorIs(t, page, ErrMalformed)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<17), "%x", hostile)
	}
}
