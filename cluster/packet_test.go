package cluster

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestIncarnations(t *testing.T) {
	i := NewInc("node_1-a")
	require.NotEqual(t, i, NewInc("node_1-a"))
	again, err := ParseInc(i.String())
	require.NoError(t, err)
	require.Equal(t, i, again)
	for _, bad := range []string{"", "a", "-0123456789abcdef", "a-0123456789abcde", "a-0123456789abcdeg", "a.b-0123456789abcdef", "a0123456789abcdef", "thirteenchars-0123456789abcdef", "a-+123456789abcdef"} {
		_, err := ParseInc(bad)
		require.Error(t, err, bad)
	}
	require.True(t, Inc{"a", 2}.before(Inc{"b", 1}))
	require.True(t, Inc{"a", 1}.before(Inc{"a", 2}))
	require.False(t, Inc{"a", 1}.before(Inc{"a", 1}))
}

func TestVersionsThatTwoNodesAgreeOn(t *testing.T) {
	for _, c := range []struct {
		a, b versions
		want uint64
	}{
		{versions{1, 1}, versions{1, 1}, 1}, {versions{1, 1}, versions{1, 2}, 1}, {versions{1, 3}, versions{2, 4}, 3},
		{versions{1, 1}, versions{2, 2}, 0}, {versions{3, 4}, versions{1, 2}, 0},
	} {
		require.Equal(t, c.want, c.a.agreed(c.b))
		require.Equal(t, c.want, c.b.agreed(c.a))
	}
}

func aHello() hello {
	return hello{versions: versions{1, 2}, cluster: "blue", from: Inc{"a", 7}, to: Inc{"b", 8}, mine: 3, yours: 1 << 40, flags: helloOpen,
		past: past{2, 99}, about: about{age: 1500 * time.Millisecond, frame: 1 << 20, filterKey: 12345, software: "1.2.3"}}
}

func TestHello(t *testing.T) {
	keys := [][]byte{[]byte("new"), []byte("old")}
	h := aHello()
	for _, key := range keys {
		got, proven, err := parseHello(h.append(nil, key), keys)
		require.NoError(t, err)
		require.True(t, proven, "either key will do")
		require.Equal(t, h, got)
	}
	for _, known := range keys { // both are proven to who knows one
		got, proven, err := parseHello(h.append(nil, keys...), [][]byte{known})
		require.NoError(t, err)
		require.True(t, proven)
		require.Equal(t, h, got)
	}
	beacon := h
	beacon.to, beacon.mine, beacon.yours = Inc{}, 0, 0
	got, _, err := parseHello(beacon.append(nil, keys[0]), keys)
	require.NoError(t, err)
	require.Equal(t, beacon, got)

	packet := h.append(nil, []byte("another"))
	_, proven, err := parseHello(packet, keys)
	require.NoError(t, err)
	require.False(t, proven)
	packet = h.append(nil, keys[0])
	for i := range packet {
		changed := bytes.Clone(packet)
		changed[i]++
		_, proven, err := parseHello(changed, keys)
		require.True(t, err != nil || !proven, "byte %d is not proven", i)
	}
	// What a later version says at the end of it is passed over.
	end := len(packet) - proofSize - 1
	body := append(packet[:end:end], "more"...)
	got, proven, err = parseHello(appendProofs(body, body, keys[:1]), keys)
	require.NoError(t, err)
	require.True(t, proven)
	require.Equal(t, h, got)
}

func TestPacketsFitIntoTheRoomForThem(t *testing.T) {
	s := stamp{1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1}
	d := data{s, 1<<64 - 1}
	require.LessOrEqual(t, len(d.append(nil)), packetRoom)
}

// sessionPackets are one of each kind, in the session that openLink makes.
func sessionPackets() map[string][]byte {
	s := stamp{mine: 1, yours: 1}
	pi, po, c, d, b := ping{s, 5, 0, 6}, pong{s, 7, 8}, credit{s, true}, data{s, 1}, bye{1, 1, ByeLeaving}
	units := d.append(nil)
	units = appendText(append(units, byte(frameAnswer|frameMore)), "one ")
	units = appendText(append(units, byte(frameAnswer)), "piece")
	units = appendText(append(units, byte(frameCommand)), "a command")
	return map[string][]byte{"ping": pi.append(nil), "pong": po.append(nil), "credit": c.append(nil), "data": units, "bye": b.append(nil)}
}

// openLink is a link that has just opened, at node b to node a.
func openLink(tb testing.TB) *link {
	l := newLink(Inc{"a", 1}, testConfig(Inc{"b", 2}))
	h := hello{versions: ourVersions, from: Inc{"a", 1}, to: Inc{"b", 2}, mine: 1, yours: 1, about: about{frame: 1 << 10}}
	require.Equal(tb, opened, l.heardHello(&h, 0))
	l.wants = wants{}
	return l
}

func TestPacketsOfASession(t *testing.T) {
	for name, packet := range sessionPackets() {
		l := openLink(t)
		happened := l.heard(packet, time.Second)
		switch name {
		case "bye":
			require.Equal(t, lost|refused, happened)
			require.Equal(t, ByeLeaving, l.their.bye)
			require.Equal(t, idle, l.state)
		case "ping":
			require.True(t, l.wants.pong)
			require.EqualValues(t, 5, l.wants.pongTime)
			require.EqualValues(t, 6, l.their.digest)
		case "pong":
			require.EqualValues(t, 8, l.their.digest)
			require.Equal(t, time.Second-7, l.clock.roundTrip)
		case "data":
			require.Equal(t, []frame{{frameAnswer, []byte("one piece")}, {frameCommand, []byte("a command")}}, l.taken())
			require.EqualValues(t, 1, l.in.commands)
			require.EqualValues(t, 1, l.books.received)
		}
		if name != "bye" {
			require.Zero(t, happened, name)
		}
		// Every packet is of the present session or does nothing.
		late := openLink(t)
		late.mine, late.theirs, late.newest = 5, 6, 6
		require.Zero(t, late.heard(packet, time.Second), name)
		require.Equal(t, wants{}, late.wants, name)
		require.Empty(t, late.in.ready, name)
		require.Equal(t, open, late.state, name)
	}
}

// What cannot be read ends the session with a reason, and the peer is told.
func TestN13MalformedPacketsEndTheSession(t *testing.T) {
	s := stamp{mine: 1, yours: 1}
	unsent := s
	unsent.received = 1
	pi, c, d := ping{stamp: unsent}, credit{stamp: s}, data{s, 1}
	long := d.append(nil)
	for len(long) < 5<<10 {
		long = appendText(append(long, byte(frameAnswer|frameMore)), strings.Repeat("x", 300))
	}
	for name, bad := range map[string]struct {
		packet []byte
		why    ByeReason
	}{
		"nothing":                 {[]byte{}, ByeMalformed},
		"a kind without layout":   {[]byte{packetLayout}, ByeMalformed},
		"another layout":          {append([]byte{packetLayout + 1}, sessionPackets()["ping"][1:]...), ByeMalformed},
		"another kind":            {[]byte{packetLayout, 77}, ByeMalformed},
		"a flag that is none":     {append(c.append(nil)[:len(c.append(nil))-1], 2), ByeMalformed},
		"more than a ping":        {append(sessionPackets()["ping"], 0), ByeMalformed},
		"what was never sent":     {pi.append(nil), ByeMalformed},
		"half a unit":             {append(d.append(nil), byte(frameAnswer), 9, 'x'), ByeMalformed},
		"a unit without length":   {append(d.append(nil), byte(frameAnswer)), ByeMalformed},
		"a length without end":    {append(d.append(nil), byte(frameAnswer), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), ByeMalformed},
		"a piece of nothing":      {append(d.append(nil), byte(frameAnswer|frameMore), 0), ByeMalformed},
		"a frame that is too big": {long, ByeTooLarge},
	} {
		l := openLink(t)
		require.Equal(t, lost, l.heard(bad.packet, time.Second), name)
		require.Equal(t, idle, l.state, name)
		require.Equal(t, &bye{1, 1, bad.why}, l.wants.bye, name)
		l.greet(time.Second)
		require.Equal(t, idle, l.state, "the peer is left alone for a while")
		l.greet(time.Second + refusedFor)
		require.Equal(t, greeting, l.state)
	}
	for name, packet := range sessionPackets() {
		for cut := 2; cut < len(packet); cut++ {
			l := openLink(t)
			happened := l.heard(packet[:cut], time.Second)
			require.True(t, happened&lost != 0 || name == "data" || name == "bye", "%s cut at %d", name, cut)
		}
	}
}

func TestNodesWithoutACommonVersion(t *testing.T) {
	l := newLink(Inc{"a", 1}, testConfig(Inc{"b", 2}))
	h := hello{versions: versions{2, 3}, from: Inc{"a", 1}, mine: 1}
	require.Equal(t, refused, l.heardHello(&h, 0))
	require.Equal(t, ByeVersion, l.their.bye)
	require.Equal(t, ByeVersion, l.wants.bye.why)
}

func FuzzHello(f *testing.F) {
	key := []byte("key")
	h := aHello()
	f.Add(h.append(nil, key))
	f.Add(sessionPackets()["ping"])
	f.Fuzz(func(t *testing.T, packet []byte) {
		h, _, err := parseHello(packet, [][]byte{key})
		if err != nil {
			return
		}
		again, proven, err := parseHello(h.append(nil, key), [][]byte{key})
		if err != nil || !proven || again != h {
			t.Fatalf("%+v is read again as %+v, %v", h, again, err)
		}
	})
}

// FuzzPackets gives a link whatever comes, in its session.
func FuzzPackets(f *testing.F) {
	for _, packet := range sessionPackets() {
		f.Add(packet, packet)
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		l := openLink(t)
		for i := range 50 {
			l.pushCommand(make([]byte, 7*i), nil)
		}
		for range 3 {
			l.produce(nil, 0)
		}
		for i, packet := range [][]byte{one, two, one} {
			if len(packet) > 1 && packetKind(packet[1]) == packetHello {
				continue
			}
			l.heard(packet, time.Duration(i)*time.Second)
			size := 0
			for _, r := range l.taken() {
				size += len(r.body)
			}
			if held := len(l.in.partial); held > l.cfg.frame || size > 2*(len(one)+len(two)) {
				t.Fatalf("%d bytes of a frame and %d of others are held", held, size)
			}
			l.carriedOut(0, false)
			l.tick(time.Duration(i+1) * time.Second)
			l.produce(nil, time.Duration(i+1)*time.Second)
		}
		sent, unsent := l.out.undone()
		b := l.books
		if b.handed != b.acknowledged+sent+unsent+b.doubtful+b.dropped.Get(DropPeerLost)+b.dropped.Get(DropPeerBehind) {
			t.Fatal("the books do not balance")
		}
	})
}
