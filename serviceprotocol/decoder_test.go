package serviceprotocol

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// hot are the messages that carry data, in the sizes that they usually have.
func hot() map[string]Message {
	payloads := Payloads{{"json", []byte(strings.Repeat("x", 200))}, {"messagepack", []byte(strings.Repeat("y", 150))}}
	return map[string]Message{
		"ConnectionData":          &ConnectionData{ConnectionID: "Zt1yEGv3CUYrQkUiqPDPKA1", Payload: payloads[0].Data, Kind: DataInvocation},
		"MultiConnectionData":     &MultiConnectionData{Connections: []string{"Zt1yEGv3CUYrQkUiqPDPKA1"}, Payloads: payloads},
		"UserData":                &UserData{User: "user-1", Payloads: payloads, TracingID: 7},
		"MultiUserData":           &MultiUserData{Users: []string{"user-1", "user-2"}, Payloads: payloads},
		"BroadcastData":           &BroadcastData{Excluded: []string{"Zt1yEGv3CUYrQkUiqPDPKA1"}, Payloads: payloads},
		"GroupBroadcastData":      &GroupBroadcastData{Group: "room", Excluded: []string{"a"}, ExcludedUsers: []string{"u"}, Payloads: payloads},
		"MultiGroupBroadcastData": &MultiGroupBroadcastData{Groups: []string{"room", "other"}, Payloads: payloads},
		"Ack":                     &Ack{AckID: 77, Status: AckOK, Payload: []byte{0x92, 0x90, 0xc0}},
		"Ping":                    ClientCountPing(100, 20),
	}
}

func TestDecoderAllocatesNothing(t *testing.T) {
	for name, message := range hot() {
		t.Run(name, func(t *testing.T) {
			body := cut(t, message.Append(nil))
			allocations := 1.0
			// In one decoder of some hundred, two names of the message take turns in one slot.
			for tries := 0; tries < 5 && allocations > 0; tries++ {
				decoder := NewDecoder()
				allocations = testing.AllocsPerRun(100, func() {
					if _, err := decoder.Decode(body); err != nil {
						t.Error(err)
					}
				})
			}
			require.Zero(t, allocations)
		})
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 4096)
	eachType(t, func(t *testing.T, typ Type) {
		message := filled(typ)
		require.Zero(t, testing.AllocsPerRun(100, func() { dst = message.Append(dst[:0]) }))
	})
	require.Zero(t, testing.AllocsPerRun(100, func() {
		dst = (&ConnectionData{ConnectionID: "C1", Payload: dst[:100]}).Append(dst[:200])
		dst = (&Ack{AckID: 1, Status: AckOK}).Append(dst[:0])
		dst = (&Ping{}).Append(dst[:0])
		dst = AppendFrame(dst[:0], dst[:10])
	}))
	framed := hot()["BroadcastData"].Append(nil)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _, _ = Cut(framed, len(framed)) }))
}

func TestDecoderReuse(t *testing.T) {
	decoder := NewDecoder()
	decode := func(m Message) Message {
		got, err := decoder.Decode(cut(t, m.Append(nil)))
		require.NoError(t, err)
		require.Equal(t, m, got)
		return got
	}
	first := decode(hot()["GroupBroadcastData"]).(*GroupBroadcastData)
	group := first.Group
	second := decode(&GroupBroadcastData{Group: "x", ExcludedUsers: []string{"u1", "u2", "u3"}})
	require.Same(t, first, second, "the struct is used again")
	require.Equal(t, "room", group, "strings are kept")
	// Nothing of a message is left in the next one.
	decode(&GroupBroadcastData{Group: "y"})
	decode(&ConnectionData{ConnectionID: "C1", Payload: []byte{1}, Partial: true, TracingID: 1})
	short, err := decoder.Decode(unhex(t, "9306a24332c4017a"))
	require.NoError(t, err)
	require.Equal(t, &ConnectionData{ConnectionID: "C2", Payload: []byte("z")}, short)
	decode(&Ack{AckID: 1, Status: AckOK, Payload: []byte{1}})
	decode(&Ack{AckID: 2, Status: AckOK})
	decode(ClientCountPing(1, 2))
	decode(&Ping{})
	// Lists of one message that do not fit into what is there.
	decode(&GroupBroadcastData{Group: "z", Excluded: numbered(30), ExcludedUsers: numbered(50)})
	decode(&GroupBroadcastData{Group: "z", Excluded: numbered(60), ExcludedUsers: numbered(10)})
	// Others are made anew, and may be kept.
	opened := decode(filled(TypeOpenConnection))
	decode(&OpenConnection{ConnectionID: "another"})
	require.Equal(t, filled(TypeOpenConnection), opened)
}

func numbered(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint("name-", i))
	}
	return list
}

func TestDecoderLetsGo(t *testing.T) {
	decoder := NewDecoder()
	large := &MultiConnectionData{Connections: numbered(2 * maxKept), Payloads: both}
	got, err := decoder.Decode(cut(t, large.Append(nil)))
	require.NoError(t, err)
	require.Equal(t, large, got)
	_, err = decoder.Decode(cut(t, (&Ping{}).Append(nil)))
	require.NoError(t, err)
	require.Nil(t, decoder.reuse.lists.names, "a long list is not kept")
	for _, payload := range decoder.reuse.lists.payloads[:cap(decoder.reuse.lists.payloads)] {
		require.Nil(t, payload.Data, "no payload is kept")
	}
	require.Nil(t, decoder.codec.r.b)
}

func TestPayloadsAliasTheBody(t *testing.T) {
	for name, message := range hot() {
		if name == "Ping" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			body := cut(t, message.Append(nil))
			parsed, err := Parse(body)
			require.NoError(t, err)
			for _, data := range payloadsOf(parsed) {
				require.True(t, within(body, data))
				require.Equal(t, len(data), cap(data))
			}
			for i := range body {
				body[i] = 0
			}
			for _, data := range payloadsOf(parsed) {
				require.Zero(t, data[0], "shared")
			}
			require.Equal(t, namesIn(message), namesIn(parsed), "not shared")
		})
	}
}

func payloadsOf(m Message) (all [][]byte) {
	var payloads Payloads
	switch m := m.(type) {
	case *ConnectionData:
		return [][]byte{m.Payload}
	case *Ack:
		return [][]byte{m.Payload}
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
	}
	for _, payload := range payloads {
		all = append(all, payload.Data)
	}
	return all
}

func namesIn(m Message) []string {
	switch m := m.(type) {
	case *ConnectionData:
		return []string{m.ConnectionID}
	case *MultiConnectionData:
		return append(m.Connections, m.Payloads[0].Protocol)
	case *UserData:
		return []string{m.User}
	case *MultiUserData:
		return m.Users
	case *BroadcastData:
		return m.Excluded
	case *GroupBroadcastData:
		return append(append([]string{m.Group}, m.Excluded...), m.ExcludedUsers...)
	case *MultiGroupBroadcastData:
		return m.Groups
	}
	return nil
}

// within tells whether part is a piece of whole's memory.
func within(whole, part []byte) bool {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(whole)))
	at := uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	return at >= start && at+uintptr(len(part)) <= start+uintptr(len(whole))
}

func TestTexts(t *testing.T) {
	known := newTexts()
	b := []byte("connection-1")
	first := known.get(b)
	b[0] = 'X'
	require.Equal(t, "connection-1", first)
	require.Equal(t, "Xonnection-1", known.get(b))
	for i := range 10 * textSlots {
		name := fmt.Sprint("name-", i)
		require.Equal(t, name, known.get([]byte(name)))
	}
	long := strings.Repeat("x", longestText+1)
	require.Equal(t, long, known.get([]byte(long)))
	require.NotContains(t, known.slots[:], long)
	require.Empty(t, known.get(nil))
}

func TestPayloadsFor(t *testing.T) {
	data, ok := both.For("JSON")
	require.True(t, ok)
	require.Equal(t, both[0].Data, data)
	_, ok = both.For("blazorpack")
	require.False(t, ok)
}
