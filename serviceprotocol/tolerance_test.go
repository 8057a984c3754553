package serviceprotocol

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
)

// filled returns a message of type t none of whose fields is empty.
func filled(t Type) Message {
	message := catalogue[t].fresh()
	value := reflect.ValueOf(message).Elem()
	for i := range value.NumField() {
		field := value.Field(i)
		switch field.Interface().(type) {
		case []byte:
			field.SetBytes([]byte{1, 2})
			continue
		case []string:
			field.Set(reflect.ValueOf([]string{"a", "b"}))
			continue
		case Payloads:
			field.Set(reflect.ValueOf(both))
			continue
		case []Claim:
			field.Set(reflect.ValueOf([]Claim{{"t", "v"}, {"t", "w"}}))
			continue
		case *bool:
			field.Set(reflect.ValueOf(told(true)))
			continue
		case []Header:
			field.Set(reflect.ValueOf([]Header{{"N", []string{"v", "w"}}}))
			continue
		}
		switch field.Kind() {
		case reflect.String:
			field.SetString("text")
		case reflect.Int32:
			field.SetInt(3)
		case reflect.Uint64:
			field.SetUint(9)
		case reflect.Bool:
			// All takes the place of a group.
			field.SetBool(value.Type().Field(i).Name != "All")
		default:
			panic(fmt.Sprintf("%T.%s", message, value.Type().Field(i).Name))
		}
	}
	return message
}

// eachType calls f for every type whose layout is known.
func eachType(t *testing.T, f func(*testing.T, Type)) {
	for i, entry := range catalogue {
		if entry.fresh != nil {
			t.Run(entry.name, func(t *testing.T) { f(t, Type(i)) })
		}
	}
}

// elements takes a message's array apart.
func elements(t testing.TB, m Message) (parts [][]byte) {
	t.Helper()
	n, rest, err := msgp.ReadArrayHeaderBytes(cut(t, m.Append(nil)))
	require.NoError(t, err)
	for range n {
		after, reason := skip(rest, MaxDepth)
		require.Empty(t, reason)
		parts = append(parts, rest[:len(rest)-len(after)])
		rest = after
	}
	require.Empty(t, rest)
	return parts
}

// join is the body of an array of parts.
func join(parts ...[]byte) []byte {
	b := msgp.AppendArrayHeader(nil, uint32(len(parts)))
	for _, part := range parts {
		b = append(b, part...)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	eachType(t, func(t *testing.T, typ Type) {
		require.Equal(t, filled(typ), parse(t, filled(typ).Append(nil)))
		empty := catalogue[typ].fresh()
		first := empty.Append(nil)
		require.Equal(t, first, parse(t, first).Append(nil), "empty")
	})
}

// accepted are the array lengths that each type has had, as the catalogue lists them; of
// GroupMemberQuery all that still has an ack id.
var accepted = map[Type][]int{
	1: {2, 4, 5, 6, 7}, 2: {2, 3, 4}, 3: {1}, 4: {3, 5, 6}, 5: {3, 4, 5}, 6: {3, 4}, 7: {3, 4}, 8: {3, 4}, 9: {3, 4},
	10: {3, 4}, 11: {3, 4}, 12: {3, 4}, 13: {4, 5, 7}, 14: {3, 4}, 15: {2}, 16: {3, 4}, 17: {3, 4}, 18: {4, 5},
	19: {4, 5}, 20: {4, 5, 6}, 21: {4, 5}, 22: {6}, 23: {4}, 24: {4}, 25: {4}, 26: {5}, 27: {5}, 28: {4}, 29: {6},
	30: {4, 5}, 31: {4, 5}, 32: {5, 6}, 33: {5, 6}, 34: {6}, 35: {7}, 36: {6}, 37: {5}, 38: {3}, 39: {5}, 40: {4, 5, 6},
}

func TestLengths(t *testing.T) {
	eachType(t, func(t *testing.T, typ Type) {
		full := filled(typ)
		parts := elements(t, full)
		for _, n := range accepted[typ] {
			message, err := Parse(join(parts[:n]...))
			require.NoError(t, err, "%d elements", n)
			again := elements(t, message)
			for i := range n {
				if i < len(again) {
					require.Equal(t, parts[i], again[i], "element %d of %d", i, n)
				}
			}
		}
		for n := range accepted[typ][0] {
			message, err := Parse(join(parts[:n]...))
			if err == nil {
				// What may be missing besides is the extension map.
				require.Equal(t, accepted[typ][0]-1, n)
				require.Equal(t, typ, message.Type())
				continue
			}
			var parseError *Error
			require.ErrorAs(t, err, &parseError)
			require.Equal(t, ReasonTooFew, parseError.Reason)
		}
	})
}

func TestHandshakeRequestLengths(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       *HandshakeRequest
	}{
		{"2 elements", "920101", &HandshakeRequest{Version: 1}},
		{"4 elements", "94010102a161", &HandshakeRequest{Version: 1, Kind: KindWeak, Target: "a"}},
		{"5 elements", "95010101a001", &HandshakeRequest{Version: 1, Kind: KindOnDemand, MigrationLevel: 1}},
		{"6 elements", "96010100a00180", &HandshakeRequest{Version: 1, MigrationLevel: 1}},
		{"7 elements", "97010100a00080c3", &HandshakeRequest{Version: 1, AllowStatefulReconnects: told(true)}},
		{"7 elements, false", "97010100a00080c2", &HandshakeRequest{Version: 1, AllowStatefulReconnects: told(false)}},
		{"9 elements", "99010100a00080c38105c0c0", &HandshakeRequest{Version: 1, AllowStatefulReconnects: told(true)}},
	} {
		t.Run("H18 HandshakeRequest with "+c.name, func(t *testing.T) {
			message, err := Parse(unhex(t, c.body))
			require.NoError(t, err)
			require.Equal(t, c.want, message)
		})
	}
}

func TestFurtherElements(t *testing.T) {
	// A map of a map, a nil, a list, an extension value of MessagePack's, and a true.
	further := [][]byte{unhex(t, "81a16181c001"), {0xc0}, unhex(t, "92c09101"), unhex(t, "c70105aa"), {0xc3}}
	eachType(t, func(t *testing.T, typ Type) {
		if typ == TypePing {
			t.Skip("all elements of a ping are texts")
		}
		t.Run("H19 further elements of "+typ.String(), func(t *testing.T) {
			message, err := Parse(join(append(elements(t, filled(typ)), further...)...))
			require.NoError(t, err)
			require.Equal(t, filled(typ), message)
		})
	})
}

func TestNil(t *testing.T) {
	empty := map[msgp.Type]byte{msgp.MapType: 0x80, msgp.ArrayType: 0x90, msgp.StrType: 0xa0}
	all := map[Type]bool{TypeLeaveGroup: true, TypeLeaveGroupWithAck: true, TypeUserLeaveGroup: true, TypeUserLeaveGroupWithAck: true}
	eachType(t, func(t *testing.T, typ Type) {
		parts := elements(t, filled(typ))
		with := func(i int, b byte) Message {
			changed := append([][]byte{}, parts...)
			changed[i] = []byte{b}
			message, err := Parse(join(changed...))
			require.NoError(t, err, "element %d is %x", i, b)
			return message
		}
		for i := 1; i < len(parts); i++ {
			kind := msgp.NextType(parts[i])
			switch {
			case kind == msgp.BinType:
				require.Empty(t, reflect.ValueOf(with(i, 0xc0)).Elem().FieldByName("Payload").Bytes())
			case all[typ] && i == 2:
				require.True(t, reflect.ValueOf(with(i, 0xc0)).Elem().FieldByName("All").Bool())
				require.False(t, reflect.ValueOf(with(i, 0xa0)).Elem().FieldByName("All").Bool())
			case empty[kind] != 0:
				require.Equal(t, with(i, empty[kind]), with(i, 0xc0), "element %d", i)
			}
		}
	})
}

func TestUnknownExtensions(t *testing.T) {
	for _, c := range []struct{ name, body, rewritten string }{
		{"alone", "9406a24331c40178" + "81" + "63c3", "9406a24331c4017880"},
		{"between known ones", "9406a24331c4017883" + "0109" + "2a82a16101a16290" + "0503", "9406a24331c401788201090503"},
		{"known, but of other types", "9406a24331c4017884" + "020a" + "03a46a736f6e" + "04a166" + "06c3", "9406a24331c401788106c3"},
		{"keys that are no numbers", "9406a24331c4017883" + "a16b01" + "c001" + "0502", "9406a24331c401788105" + "02"},
		{"a key beyond int64", "9406a24331c4017882" + "cfffffffffffffffff01" + "0502", "9406a24331c401788105" + "02"},
		{"known with nil", "9406a24331c4017882" + "05c0" + "06c0", "9406a24331c4017880"},
		{"no keys at all", "9406a24331c40178" + "c0", "9406a24331c4017880"},
	} {
		t.Run("H19 unknown extension keys: "+c.name, func(t *testing.T) {
			message, err := Parse(unhex(t, c.body))
			require.NoError(t, err)
			require.Equal(t, c.rewritten, hex.EncodeToString(cut(t, message.Append(nil))))
		})
	}
}

func TestUnknownTypes(t *testing.T) {
	for _, c := range []struct {
		body   string
		number Type
		name   string
	}{
		{"912a", 42, "Unknown"},
		{"93cd03e8a16181a16b90", 1000, "Unknown"},
		{"9100", 0, "Unknown"},
		{"91ff", -1, "Unknown"},
		{"952980a3746f6bc001", 41, "RefreshAuth"},
	} {
		t.Run(fmt.Sprintf("H19 unknown message type %d", c.number), func(t *testing.T) {
			message, err := NewDecoder().Decode(unhex(t, c.body))
			require.NoError(t, err)
			require.Equal(t, &Unknown{Number: c.number, Body: unhex(t, c.body)}, message)
			require.Equal(t, c.name, message.Type().String())
			require.Equal(t, c.body, hex.EncodeToString(cut(t, message.Append(nil))), "goes on as it came")
		})
	}
}

func TestIntegerForms(t *testing.T) {
	for _, form := range []string{"05", "cc05", "cd0005", "ce00000005", "cf0000000000000005",
		"d005", "d10005", "d200000005", "d30000000000000005"} {
		message, err := Parse(unhex(t, "9514"+form+"01a080"))
		require.NoError(t, err, form)
		require.Equal(t, &Ack{AckID: 5, Status: AckOK}, message)
	}
}

func told(what bool) *bool { return &what }
