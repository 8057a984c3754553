package hubprotocol

import (
	"strings"
	"testing"
)

func benchmarkRecords(b *testing.B) map[string][]byte {
	arguments := []byte(`["` + strings.Repeat("message ", 16) + `",{"user":"anna","n":12345,"tags":["a","b","c"],"score":0.25}]`)
	records := map[string][]byte{}
	for _, protocol := range []string{JSON, MessagePack} {
		raw := arguments
		if protocol == MessagePack {
			raw, _ = AppendJSONAsMessagePack(nil, arguments)
		}
		framed, err := AppendInvocation(nil, protocol, "17", "newMessage", raw)
		if err != nil {
			b.Fatal(err)
		}
		records[protocol] = framed
	}
	return records
}

func benchmarkEach(b *testing.B, run func(protocol string, framed, body []byte)) {
	for protocol, framed := range benchmarkRecords(b) {
		_, body, _, _ := Cut(protocol, framed, len(framed))
		b.Run(protocol, func(b *testing.B) {
			b.SetBytes(int64(len(framed)))
			b.ReportAllocs()
			for b.Loop() {
				run(protocol, framed, body)
			}
		})
	}
}

func BenchmarkCut(b *testing.B) {
	benchmarkEach(b, func(protocol string, framed, _ []byte) { _, _, _, _ = Cut(protocol, framed, 1<<20) })
}

func BenchmarkPeek(b *testing.B) {
	benchmarkEach(b, func(protocol string, _, body []byte) { _, _ = Peek(protocol, body) })
}

func BenchmarkParse(b *testing.B) {
	benchmarkEach(b, func(protocol string, _, body []byte) { _, _ = Parse(protocol, body) })
}

func BenchmarkConvert(b *testing.B) {
	dst := make([]byte, 0, 1024)
	benchmarkEach(b, func(protocol string, _, body []byte) {
		if protocol == JSON {
			_, _ = AppendJSONAsMessagePack(dst, body)
		} else {
			_, _ = AppendMessagePackAsJSON(dst, body)
		}
	})
}

func BenchmarkAppendInvocation(b *testing.B) {
	dst := make([]byte, 0, 1024)
	for protocol, arguments := range map[string][]byte{JSON: []byte(`["hi",1]`), MessagePack: {0x92, 0xa2, 'h', 'i', 1}} {
		b.Run(protocol, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = AppendInvocation(dst, protocol, "17", "newMessage", arguments)
			}
		})
	}
}

func BenchmarkFor(b *testing.B) {
	frames, err := NewInvocation(JSON, "newMessage", []byte(`["hi"]`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		frames.For(MessagePack)
	}
}

// BenchmarkFramesWire writes a message for another node, and reads it there.
func BenchmarkFramesWire(b *testing.B) {
	argument := []byte(`["` + strings.Repeat("x", 2000) + `"]`)
	one, err := NewInvocation(JSON, "target", argument)
	if err != nil {
		b.Fatal(err)
	}
	two, err := NewFrames(map[string][]byte{JSON: argument, MessagePack: argument})
	if err != nil {
		b.Fatal(err)
	}
	for name, f := range map[string]*Frames{"one form": one, "two forms": two} {
		b.Run("append "+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.Append(nil)
			}
		})
		wire := f.Append(nil)
		b.Run("parse "+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseFrames(wire); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
