package hubprotocol_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/hubprotocol"
)

func TestTargetOfFrames(t *testing.T) {
	packed, err := hubprotocol.AppendJSONAsMessagePack(nil, []byte(`[1]`))
	require.NoError(t, err)
	own, err := hubprotocol.NewInvocation(hubprotocol.JSON, "news", []byte(`[{"target":"no"}]`))
	require.NoError(t, err)
	require.Equal(t, "news", own.Target())
	ownPacked, err := hubprotocol.NewInvocation(hubprotocol.MessagePack, "news", packed)
	require.NoError(t, err)
	require.Equal(t, "news", ownPacked.Target())
	for frame, want := range map[string]string{
		`{"type":1,"arguments":[{"target":"no"}],"target":"late"}`: "",
		`{"type":6}`:                                     "",
		`{"type":1,"target":"`:                           "",
		`{"C":"a","M":[{"H":"h","M":"x"}]}`:              "",
		`{"target":"` + strings.Repeat("x", 1000) + `"}`: strings.Repeat("x", 128),
	} {
		f, err := hubprotocol.NewFrames(map[string][]byte{hubprotocol.JSON: []byte(frame)})
		require.NoError(t, err)
		require.Equal(t, want, f.Target(), frame)
	}
	older, err := hubprotocol.NewFrames(map[string][]byte{"aspnet": []byte(`{"C":"a","M":[{"H":"Chat","M":"say","A":[{"M":"no"}]}]}`)})
	require.NoError(t, err)
	require.Equal(t, "say", older.Target())
	broken, err := hubprotocol.NewFrames(map[string][]byte{hubprotocol.MessagePack: {0xff, 0xff, 0xff}})
	require.NoError(t, err)
	require.Empty(t, broken.Target())
}
