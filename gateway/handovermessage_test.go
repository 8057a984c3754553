package gateway

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"
)

func FuzzMoveMessage(f *testing.F) {
	for _, m := range []moveMessage{
		{kind: moveTake, move: 1, texts: []string{"id"}, data: []byte("proof")},
		{kind: moveRefused, move: 1 << 63, number: uint64(refusedStays)},
		{kind: moveNames, move: 7, texts: []string{"chat", "", "g", "h"}},
		{kind: moveSwitch, move: 7, texts: []string{"a", "id"}},
		{kind: moveCut, move: 7},
		{kind: moveAlso, move: 7, number: 3, texts: []string{"g"}},
		{kind: moveSession, move: 7, number: 300, data: []byte("piece")},
	} {
		f.Add(m.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMoveMessage(b)
		if err != nil {
			return
		}
		again, err := parseMoveMessage(m.append(nil))
		if err != nil || again.kind != m.kind || again.move != m.move || again.number != m.number ||
			!slices.Equal(again.texts, m.texts) || !bytes.Equal(again.data, m.data) {
			t.Fatalf("%+v is read again as %+v, %v", m, again, err)
		}
	})
}

// someSession has everything that a session may have.
func someSession() *movedSession {
	return &movedSession{
		identity: Identity{ID: "id", Hub: "chat", HubName: "Chat", User: "u", Claims: []Claim{{"c", "\xff"}}, TokenClaims: []Claim{{"t", ""}},
			Headers: []Header{{"h", "v"}}, Query: "a=%20", RemoteAddr: "::1", TokenExpires: time.Unix(7, 9), CloseAt: time.Unix(1<<31, 0),
			HandshakeTimeout: time.Second, Diagnostic: true, Token: "signature"},
		protocol: "json", given: 3, acked: 4, received: 1 << 40, heard: true, pinged: true,
		groups: []movedGroup{{name: "g", direct: true}, {name: "h", byUser: true}},
		kept:   []keptRecord{{[]byte("four"), 4}, {[]byte("five and six"), 6}}, waiting: [][]byte{[]byte("seven"), {}},
		backend: []byte("state"), facts: []byte("facts"), more: true, age: 5,
	}
}

func TestASessionIsReadAsItWasWritten(t *testing.T) {
	want := someSession()
	got, err := parseMovedSession(want.append(nil))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v\nwant %+v", got, err, want)
	}
	want.more, want.age, want.identity.Token = false, 0, "" // as nodes of before write it, and read it
	got, err = parseMovedSession(want.append(nil))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v\nwant %+v", got, err, want)
	}
	want.groups[1].until = time.Now().Add(time.Hour)
	got, err = parseMovedSession(want.append(nil))
	if err != nil || got.groups[1].until.Sub(want.groups[1].until).Abs() > time.Minute {
		t.Fatalf("%+v, %v", got, err)
	}
}

func FuzzMovedSession(f *testing.F) {
	f.Add(someSession().append(nil))
	f.Add((&movedSession{identity: Identity{ID: "id"}, protocol: "messagepack"}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseMovedSession(b)
		if err != nil {
			return
		}
		for i := range s.groups { // what remains of their time becomes less
			s.groups[i].until = time.Time{}
		}
		again, err := parseMovedSession(s.append(nil))
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%+v is read again as %+v, %v", s, again, err)
		}
	})
}
