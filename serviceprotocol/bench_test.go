package serviceprotocol

import (
	"fmt"
	"testing"
)

func BenchmarkDecode(b *testing.B) {
	for name, message := range hot() {
		b.Run(name, func(b *testing.B) {
			body := cut(b, message.Append(nil))
			decoder := NewDecoder()
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decoder.Decode(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecodeManyConnections has more connections than the decoder remembers names of.
func BenchmarkDecodeManyConnections(b *testing.B) {
	for _, clients := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			bodies := make([][]byte, clients)
			for i := range bodies {
				bodies[i] = cut(b, (&ConnectionData{ConnectionID: fmt.Sprintf("%022d", i), Payload: make([]byte, 200)}).Append(nil))
			}
			decoder := NewDecoder()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := decoder.Decode(bodies[i%clients]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, name := range []string{"ConnectionData", "BroadcastData"} {
		b.Run(name, func(b *testing.B) {
			body := cut(b, hot()[name].Append(nil))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	dst := make([]byte, 0, 4096)
	for name, message := range hot() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				dst = message.Append(dst[:0])
			}
		})
	}
	large := &ConnectionData{ConnectionID: "C1", Payload: make([]byte, 1<<20)}
	room := make([]byte, 0, 2<<20)
	b.Run("ConnectionData of 1 MB", func(b *testing.B) {
		b.SetBytes(int64(len(large.Payload)))
		for b.Loop() {
			room = large.Append(room[:0])
		}
	})
}
