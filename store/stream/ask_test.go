package stream

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/natsd"
)

const (
	noLeader = `{"error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}`
	found    = `{"message":{"subject":"s.a","seq":7,"data":"aGVsbG8="}}`
	missing  = `{"error":{"code":404,"err_code":10037,"description":"no message found"}}`
)

// voters answer questions to a stream as voters of JetStream would.
func voters(t *testing.T, answers ...string) *Stream {
	t.Helper()
	e, err := natsd.Start(context.Background(), natsd.Options{Name: "alone", Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close(context.Background())) })
	conn := e.Conn()
	for _, answer := range answers {
		sub, err := conn.Subscribe("FAKE.STREAM.>", func(m *nats.Msg) {
			if answer != "" {
				_ = m.Respond([]byte(answer)) // the test sees what does not come
			}
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = sub.Unsubscribe() })
	}
	js, err := jetstream.NewWithAPIPrefix(conn, "FAKE.")
	require.NoError(t, err)
	return New(js, jetstream.StreamConfig{Name: "s"})
}

// One voter that knows no leader, as after a partition, does not hide what the leader answers.
func TestN40AVoterWithoutALeaderIsNotTheLast(t *testing.T) {
	// Subscriptions of one connection are served in their order: the first one answers first.
	s := voters(t, noLeader, "", found)
	m, err := s.Last(t.Context(), "s.a")
	require.NoError(t, err)
	require.Equal(t, Message{Subject: "s.a", Data: []byte("hello"), Sequence: 7}, m)
	_, err = voters(t, noLeader, noLeader, missing).Last(t.Context(), "s.a")
	require.ErrorIs(t, err, ErrNotFound)
	require.NoError(t, voters(t, noLeader, `{"purged":3}`).PurgeBefore(t.Context(), "s.a", 4))
	n, err := voters(t, noLeader, `{"config":{"name":"s"},"state":{"bytes":12}}`).Bytes(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 12, n)
}

// If no voter knows a leader, that is said soon.
func TestNoVoterHasALeader(t *testing.T) {
	began := time.Now()
	_, err := voters(t, noLeader, noLeader).Last(t.Context(), "s.a")
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "temporarily unavailable")
	require.GreaterOrEqual(t, time.Since(began), othersTime)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = voters(t, noLeader).Last(ctx, "s.a")
	require.ErrorIs(t, err, ErrUnavailable)
}

func TestAnswersThatCannotBeRead(t *testing.T) {
	for _, text := range []string{"", "{", `{"message":null}`, `{"message":3}`, fmt.Sprintf("%s%s", noLeader, noLeader)} {
		s := voters(t, text+" ")
		_, err := s.Last(t.Context(), "s.a")
		require.ErrorIs(t, err, ErrUnavailable, text)
	}
}
