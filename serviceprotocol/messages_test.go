package serviceprotocol_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// script is a WebSocket: texts are messages, "text:" begins one that is not binary.
type script struct {
	messages []string
	read     func(io.Reader) io.Reader
	end      error
}

func (s *script) NextReader() (int, io.Reader, error) {
	if len(s.messages) == 0 {
		return 0, nil, s.end
	}
	m := s.messages[0]
	s.messages = s.messages[1:]
	if text, ok := strings.CutPrefix(m, "text:"); ok {
		return 1, strings.NewReader(text), nil
	}
	return 2, s.read(strings.NewReader(m)), nil
}

func TestContentOfWebSocketMessages(t *testing.T) {
	broken := errors.New("broken")
	plain := func(r io.Reader) io.Reader { return r }
	cases := []struct {
		name     string
		messages []string
		read     func(io.Reader) io.Reader
		want     string
		err      error
	}{
		{"H14 H15 H16 bounds mean nothing", []string{"ab", "", "c", "", "", "de"}, plain, "abcde", broken},
		{"byte by byte", []string{"ab", "", "c"}, iotest.OneByteReader, "abc", broken},
		{"the end comes with the last bytes", []string{"ab", "c"}, iotest.DataErrReader, "abc", broken},
		{"a text message", []string{"ab", "text:c", "d"}, plain, "ab", sp.ErrTextMessage},
		{"an error within a message", []string{"ab"}, func(r io.Reader) io.Reader { return io.MultiReader(r, iotest.ErrReader(broken)) }, "ab", broken},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := io.ReadAll(sp.NewContent(&script{messages: tc.messages, read: tc.read, end: broken}))
			require.ErrorIs(t, err, tc.err)
			require.Equal(t, tc.want, string(got))
		})
	}
}
