package stream

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/natsd"
	"github.com/hubgate/hubgate/natsd/natsdtest"
)

// fill makes a stream with n messages of one subject, and some of another subject between them.
func fill(t *testing.T, e *natsd.Engine, direct bool, n int) (*Stream, []uint64) {
	t.Helper()
	s := New(e.JetStream(), jetstream.StreamConfig{Name: "many", Subjects: []string{"many.*"}, Storage: e.Storage(), AllowDirect: direct})
	require.NoError(t, s.Ensure(t.Context()))
	var last uint64
	var wrote []uint64
	for i := range n {
		var err error
		last, err = s.Write(t.Context(), "many.a", fmt.Append(nil, i), last, 0)
		require.NoError(t, err)
		if i%10 == 0 {
			require.NoError(t, s.Put(t.Context(), "many.b", fmt.Sprint(i), []byte("beside")))
		}
		wrote = append(wrote, last)
	}
	return s, wrote
}

// whole is what Whole reads, and with how many questions.
func whole(t *testing.T, e *natsd.Engine, s *Stream, subject string) (all []Message, last uint64, questions uint64) {
	t.Helper()
	before := e.Conn().Stats().OutMsgs
	last, err := Whole(t.Context(), s, subject, time.Minute, func(m Message) { all = append(all, m) })
	require.NoError(t, err)
	return all, last, e.Conn().Stats().OutMsgs - before
}

func TestWholeTakesFewQuestions(t *testing.T) {
	const n = batchMessages + 100
	e := natsdtest.Alone(t)
	s, wrote := fill(t, e, true, n)
	all, last, questions := whole(t, e, s, "many.a")
	require.Len(t, all, n)
	for i, m := range all {
		require.Equal(t, Message{Subject: "many.a", Data: fmt.Append(nil, i), Sequence: wrote[i]}, m)
	}
	require.Equal(t, wrote[n-1], last)
	// Two for the messages, one that finds no more, and two to the leader: there is no more, and it begins as before.
	require.LessOrEqual(t, questions, uint64(5))
	none, last, _ := whole(t, e, s, "many.c")
	require.Empty(t, none)
	require.Zero(t, last)
}

// A stream of an earlier version does not let copies answer: then the leader is asked for one message after the other.
func TestWholeOfAStreamThatOnlyTheLeaderReads(t *testing.T) {
	e := natsdtest.Alone(t)
	s, wrote := fill(t, e, false, 20)
	all, last, _ := whole(t, e, s, "many.a")
	require.Len(t, all, 20)
	require.Equal(t, wrote[19], last)
	// Who wants more gives the stream more.
	s.config.AllowDirect = true
	require.NoError(t, s.Ensure(t.Context()))
	all, _, questions := whole(t, e, s, "many.a")
	require.Len(t, all, 20)
	require.LessOrEqual(t, questions, uint64(4))
	s.config.AllowDirect = false
	require.NoError(t, s.Ensure(t.Context()))
	_, _, questions = whole(t, e, s, "many.a")
	require.LessOrEqual(t, questions, uint64(4), "nothing is taken away")
}

// copies answers a question for several messages with what a test says, and the leader with one message.
func copies(t *testing.T, answers ...*nats.Msg) *Stream {
	t.Helper()
	s := voters(t, found)
	sub, err := s.js.Conn().Subscribe("FAKE.DIRECT.GET.s", func(m *nats.Msg) {
		for _, answer := range answers {
			answer.Subject = m.Reply
			_ = s.js.Conn().PublishMsg(answer) // the test sees what does not come
		}
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	return s
}

func piece(sequence, before int) *nats.Msg {
	return &nats.Msg{Data: []byte("x"), Header: nats.Header{
		"Nats-Subject": {"s.a"}, "Nats-Sequence": {fmt.Sprint(sequence)}, "Nats-Last-Sequence": {fmt.Sprint(before)},
	}}
}

func end(before int) *nats.Msg {
	return &nats.Msg{Header: nats.Header{"Status": {"204"}, "Nats-Last-Sequence": {fmt.Sprint(before)}}}
}

// If something of a copy's answer is lost on the way, what came before it is good. The leader is asked for the next message
// if that is nothing: so it is too if a copy has nothing.
func TestAnAnswerWithAGap(t *testing.T) {
	leader := []Message{{Subject: "s.a", Data: []byte("hello"), Sequence: 7}}
	for name, one := range map[string]struct {
		answers []*nats.Msg
		want    int
	}{
		"whole":                 {[]*nats.Msg{piece(3, 0), piece(5, 3), end(5)}, 2},
		"the first one is lost": {[]*nats.Msg{piece(5, 3), end(5)}, 0},
		"one is lost":           {[]*nats.Msg{piece(3, 0), piece(6, 5), end(6)}, 1},
		"the last one is lost":  {[]*nats.Msg{piece(3, 0), end(5)}, 1},
		"nothing there":         {[]*nats.Msg{{Header: nats.Header{"Status": {"404"}}}}, 0},
		"it goes in the middle": {[]*nats.Msg{piece(3, 0), {Header: nats.Header{"Status": {"404"}}}}, 1},
		"a refusal":             {[]*nats.Msg{{Header: nats.Header{"Status": {"408"}}}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			got, err := copies(t, one.answers...).Following(ctx, "s.a", 1)
			require.NoError(t, err)
			if one.want == 0 {
				require.Equal(t, leader, got)
				return
			}
			require.Len(t, got, one.want)
			require.EqualValues(t, 3, got[0].Sequence)
			_, err = copies(t, one.answers...).AllLast(ctx, "s.a")
			require.Equal(t, name == "whole", err == nil, "of the last ones none may be missing")
		})
	}
}

// Over a slow way a batch does not come as a whole in time. What has come is not read again.
func TestABatchThatDoesNotComeInTime(t *testing.T) {
	s := copies(t, piece(3, 0), piece(5, 3)) // its end is still to come
	var got []Message
	for bound := 20 * time.Millisecond; len(got) < 2 && bound < 2*time.Minute; bound *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), bound)
		got, _ = s.Following(ctx, "s.a", 1) // on a busy machine nothing may come so soon
		cancel()
	}
	require.Len(t, got, 2)
	require.EqualValues(t, 5, got[1].Sequence)
}

// A copy that does not answer costs half of the time. Then the leader is asked.
func TestACopyThatDoesNotAnswer(t *testing.T) {
	s := copies(t)
	var got []Message
	for bound := 20 * time.Millisecond; got == nil && bound < 2*time.Minute; bound *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), bound)
		got, _ = s.Following(ctx, "s.a", 1) // on a busy machine the leader may not answer so soon
		cancel()
	}
	require.Equal(t, []Message{{Subject: "s.a", Data: []byte("hello"), Sequence: 7}}, got)
}

// shortened is a Reader whose beginning goes while it is read.
type shortened struct{ left [][]Message }

func (s *shortened) Following(context.Context, string, uint64) ([]Message, error) {
	if len(s.left) == 1 {
		return nil, ErrNotFound
	}
	some := s.left[0]
	s.left = s.left[1:]
	return some, nil
}

func (s *shortened) Next(context.Context, string, uint64) (Message, error) {
	if len(s.left[0]) == 0 {
		return Message{}, ErrNotFound
	}
	return s.left[0][0], nil
}

// The last element of left is what is there when the end has been read.
func TestWholeOfWhatGetsShorter(t *testing.T) {
	for name, one := range map[string]struct {
		left [][]Message
		err  error
	}{
		"as it was":             {[][]Message{{{Sequence: 1}, {Sequence: 2}}, {{Sequence: 3}}, {{Sequence: 1}}}, nil},
		"its beginning is gone": {[][]Message{{{Sequence: 1}, {Sequence: 2}}, {{Sequence: 3}}, {{Sequence: 3}}}, ErrShortened},
		"everything is gone":    {[][]Message{{{Sequence: 1}}, {}}, ErrShortened},
		"nothing was there":     {[][]Message{{}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Whole(t.Context(), &shortened{one.left}, "a", time.Minute, func(Message) {})
			require.ErrorIs(t, err, one.err)
		})
	}
}

// Another node may have written, or an earlier write of this one is not decided since most voters are away. Who reads the error
// can tell.
func TestAWriteThatIsNotDecided(t *testing.T) {
	for code, text := range map[int]string{10071: "somebody else wrote", 10164: "most voters"} {
		s := voters(t, missing)
		sub, err := s.js.Conn().Subscribe("s.a", func(m *nats.Msg) {
			_ = m.Respond(fmt.Appendf(nil, `{"stream":"s","error":{"code":400,"err_code":%d,"description":"wrong last sequence"}}`, code))
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = sub.Unsubscribe() })
		_, err = s.Write(t.Context(), "s.a", nil, 3, 0)
		require.ErrorIs(t, err, ErrConflict)
		require.ErrorContains(t, err, text)
	}
}
