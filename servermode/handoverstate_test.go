package servermode

import (
	"reflect"
	"testing"
	"time"
)

func someHanded() *handedSession {
	return &handedSession{node: "b", number: 7, server: "s1", request: "{}\x1e", unacknowledged: 64 << 10, partial: []byte("half"),
		repeats: true, closed: true, calls: []string{"1", "two"},
		results: []handedResult{{id: "r", node: "c", caller: "s2", weak: true, left: time.Minute}, {id: "q", node: "a", caller: "s1"}}}
}

func FuzzHandedSession(f *testing.F) {
	f.Add(someHanded().append(nil))
	f.Add((&handedSession{node: "a", request: "{}"}).append(nil))
	f.Add((&handedSession{node: "a", server: "s", request: "{}", unacknowledged: -1, calls: []string{"", ""}}).append(nil))
	f.Add((&handedSession{results: []handedResult{{id: "r"}, {id: "r"}}}).append(nil))
	f.Add(someHanded().append(nil)[:20])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHanded(b)
		if err != nil {
			return
		}
		again, err := parseHanded(h.append(nil))
		if err != nil || !reflect.DeepEqual(h, again) {
			t.Fatalf("%+v is read again as %+v, %v", h, again, err)
		}
	})
}

func TestAHandedSessionIsReadAsItWasWritten(t *testing.T) {
	want := someHanded()
	got, err := parseHanded(want.append(nil))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v\nwant %+v", got, err, want)
	}
	for n := range want.append(nil) {
		if _, err := parseHanded(want.append(nil)[:n]); err == nil {
			t.Fatalf("the first %d bytes are read", n)
		}
	}
}
