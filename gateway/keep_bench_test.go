package gateway

import (
	"bytes"
	"testing"
	"time"
)

// benchManner is one whose records all have a cursor but those that begin with {"I.
type benchManner struct{}

func (benchManner) Ping() []byte                  { return nil }
func (benchManner) First() []byte                 { return nil }
func (benchManner) Close(Cause, bool) []byte      { return nil }
func (benchManner) HasCursor([]byte, string) bool { return false }
func (benchManner) Marked(r []byte) bool          { return !bytes.HasPrefix(r, []byte(`{"I`)) }
func (benchManner) KeepAlive() time.Duration      { return time.Second }
func (benchManner) Away() time.Duration           { return time.Second }

// BenchmarkKeep measures what is done for a client that may come back, besides the write, when a worker has
// written one record to it: a broadcast does it for each receiver.
func BenchmarkKeep(b *testing.B) {
	g, err := build(Options{Node: "a", Backend: benchBackend{}, Workers: 1})
	if err != nil {
		b.Fatal(err)
	}
	record := []byte(`{"C":"0,1","M":[{"H":"chat","M":"message","A":["` + string(bytes.Repeat([]byte("x"), 100)) + `"]}]}`)
	records := []OutRecord{{Bytes: record}}
	conns := make([]*Conn, 2000)
	for i := range conns {
		c := &Conn{g: g, back: new(returning)}
		c.channel.lane = &lane{manner: benchManner{}}
		c.channel.spoken.Store(c.channel.lane)
		c.life.current.Store(uint32(open))
		conns[i] = c
	}
	h := handed{records, record, 1}
	now := g.now()
	for range 200 {
		for _, c := range conns {
			c.hand(h, len(record), nil, now)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		conns[i%len(conns)].hand(h, len(record), nil, now+int64(i))
	}
}

type benchBackend struct{}

func (benchBackend) Accept(*Conn, Handshake) (Session, error) { return nil, nil }
func (benchBackend) Supports(string) bool                     { return true }
