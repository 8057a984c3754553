package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"
)

var answerMessages = []answerMessage{
	{kind: answerHas, id: "hubgate:a:1-1", connection: "c"},
	{kind: answerCame, id: "hubgate:a:1-2", connection: "c", answer: Answer{Protocol: "json", Frame: []byte("{}\x1e")}},
	{kind: answerNone, id: "hubgate:a:1-3", connection: "c", none: NoAnswer{ConnectionEnded, "gone"}},
	{kind: answerForget, id: "hubgate:a:1-4", connection: "c"},
}

func TestAnswersBetweenNodes(t *testing.T) {
	for _, m := range answerMessages {
		wire := m.append(nil)
		got, err := parseAnswer(wire)
		require.NoError(t, err)
		require.Equal(t, m, got)
		if m.kind != answerCame { // whose frame is the rest
			for i := range wire {
				_, err := parseAnswer(wire[:i])
				require.Error(t, err, "cut at %d", i)
			}
			_, err = parseAnswer(append(wire, 0))
			require.Error(t, err)
		}
	}
	_, err := parseAnswer(answerMessage{kind: answerHas, id: "7", connection: "c"}.append(nil))
	require.Error(t, err, "no id of a node")
	require.Equal(t, "a", invocationNode("hubgate:a:1-1"))
}

// What nodes say about answers of clients is read or refused, and written again the same.
func FuzzAnswerMessage(f *testing.F) {
	for _, m := range answerMessages {
		f.Add(m.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseAnswer(b)
		if err != nil {
			return
		}
		again, err := parseAnswer(m.append(nil))
		require.NoError(t, err)
		require.Equal(t, m.append(nil), again.append(nil))
	})
}
