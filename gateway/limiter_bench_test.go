package gateway

import "testing"

// BenchmarkUnlimited is what a message costs where nothing is bounded.
func BenchmarkUnlimited(b *testing.B) {
	c := &Conn{g: &Gateway{}}
	for b.Loop() {
		if c.measure(100) != nil {
			b.Fatal("refused")
		}
	}
}
