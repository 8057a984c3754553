package servermode

import "io"

// heardStream is what a hub server sends. It tells of the bytes that have come, whatever message
// they are part of.
type heardStream struct {
	content io.Reader
	heard   func(n int)
}

// Read implements io.Reader.
func (s *heardStream) Read(b []byte) (int, error) {
	n, err := s.content.Read(b)
	if n > 0 {
		s.heard(n)
	}
	return n, err
}
