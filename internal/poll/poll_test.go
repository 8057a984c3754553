package poll

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// way is the way to a node. It delivers at once and in order; one that is deaf takes and loses all.
type way struct {
	name       string
	to         *Poll
	back       *way
	deaf, gone bool
	full       int
}

func (w *way) Name() string       { return w.name }
func (w *way) Full(size int) bool { return w.full > 0 && size > w.full }

func (w *way) Send(message []byte) bool {
	if !w.deaf && !w.gone {
		go w.to.PeerSaid(w.back, message)
	}
	return !w.gone
}

// join returns a Poll that knows others, which answer so.
func join(t *testing.T, answers map[string]func(ctx context.Context, question []byte) ([]byte, error)) (*Poll, map[string]*way) {
	asks := New(Options{})
	t.Cleanup(asks.Close)
	ways := make(map[string]*way)
	for name, answer := range answers {
		p := New(Options{Answer: answer})
		t.Cleanup(p.Close)
		there, back := &way{name: name, to: p}, &way{name: "asks", to: asks}
		there.back, back.back = back, there
		ways[name] = there
		asks.PeerUp(there)
		p.PeerUp(back)
	}
	return asks, ways
}

func says(text string) func(context.Context, []byte) ([]byte, error) {
	return func(_ context.Context, question []byte) ([]byte, error) {
		return append([]byte(text), question...), nil
	}
}

func TestAllNodesAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asks, _ := join(t, map[string]func(context.Context, []byte) ([]byte, error){
			"c": says("c: "), "b": says("b: "),
			"d": func(context.Context, []byte) ([]byte, error) { return nil, errors.New("not today") },
			"e": func(context.Context, []byte) ([]byte, error) { return make([]byte, MaxText+1), nil },
		})
		got := asks.Ask(t.Context(), []byte("who?"))
		require.Len(t, got, 4)
		require.Equal(t, Answer{Node: "b", Body: []byte("b: who?")}, got[0])
		require.Equal(t, "c: who?", string(got[1].Body))
		require.EqualError(t, got[2].Err, "not today")
		require.Equal(t, errLarge.Error(), got[3].Err.Error())
	})
	require.Empty(t, New(Options{}).Ask(t.Context(), nil), "a node alone has nobody to ask")
	asks, _ := join(t, map[string]func(context.Context, []byte) ([]byte, error){"b": says("")})
	require.Equal(t, []Answer{{Node: "b", Err: errLarge}}, asks.Ask(t.Context(), make([]byte, MaxText+1)))
}

// A node that does not answer, or is gone, has an error; the others' answers are there.
func TestNodesThatDoNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asks, ways := join(t, map[string]func(context.Context, []byte) ([]byte, error){"b": says("b"), "c": says("c"), "d": says("d"), "e": says("e")})
		ways["c"].deaf, ways["d"].deaf = true, true
		ways["e"].gone = true
		go func() {
			time.Sleep(time.Second)
			asks.PeerGone(ways["d"])
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		got := asks.Ask(ctx, nil)
		require.Equal(t, 2*time.Second, time.Since(began))
		require.Len(t, got, 4)
		require.NoError(t, got[0].Err)
		require.Equal(t, ErrNoAnswer, got[1].Err)
		require.Equal(t, ErrGone, got[2].Err)
		require.Equal(t, errNotTaken, got[3].Err)
		asks.PeerSaid(ways["c"], message(saidAnswer, 1, []byte("late")))
		require.Empty(t, asks.open)
	})
}

// A node answers so many questions at a time and refuses others; it sends nothing for which its way has no room.
func TestANodeThatIsBusyRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		asks, ways := join(t, map[string]func(context.Context, []byte) ([]byte, error){"b": func(context.Context, []byte) ([]byte, error) {
			<-free
			return make([]byte, 100), nil
		}})
		answers := make(chan Answer, maxAnswering+1)
		for range maxAnswering {
			go func() { answers <- asks.Ask(t.Context(), nil)[0] }()
		}
		synctest.Wait()
		require.EqualError(t, asks.Ask(t.Context(), nil)[0].Err, errBusy.Error())
		close(free)
		for range maxAnswering {
			require.NoError(t, (<-answers).Err)
		}
		ways["b"].back.full = 99
		require.EqualError(t, asks.Ask(t.Context(), nil)[0].Err, errNoRoom.Error())
	})
}

// Who closes does not wait for an answer that takes long.
func TestCloseEndsAnswersUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asks, ways := join(t, map[string]func(context.Context, []byte) ([]byte, error){"b": func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		answers := make(chan []Answer, 1)
		go func() { answers <- asks.Ask(t.Context(), nil) }()
		synctest.Wait()
		began := time.Now()
		ways["b"].to.Close()
		require.Zero(t, time.Since(began))
		require.EqualError(t, (<-answers)[0].Err, context.Canceled.Error())
	})
}

// Nodes of an earlier version say other things under the numbers 1 and 2, and end the whole session of two nodes if they
// cannot read what they are told. Each passes over what the other says.
func TestNodesOfAnEarlierVersionAreLeftAlone(t *testing.T) {
	for _, kind := range []byte{saidQuestion, saidAnswer, saidRefusal} {
		require.Greater(t, kind, byte(2))
	}
	p := New(Options{Answer: func(context.Context, []byte) ([]byte, error) { panic("it is no question") }})
	defer p.Close()
	for _, said := range []string{"\x01", "\x01{}", "\x01" + `{"i":1,"q":{}}`, "\x02" + `{"i":1,"a":{}}`, "\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		require.NoError(t, p.PeerSaid(&way{deaf: true}, []byte(said)), "%q", said)
	}
}

func FuzzSaid(f *testing.F) {
	f.Add(message(saidQuestion, 1, []byte("what")))
	f.Add(message(saidAnswer, 1, []byte("that")))
	f.Add(message(saidRefusal, 1, bytes.Repeat([]byte("no"), maxRefusal)))
	f.Add([]byte{saidAnswer})
	f.Add([]byte{99, 1})
	f.Add([]byte("\x01{}"))
	f.Fuzz(func(t *testing.T, said []byte) {
		p := New(Options{Answer: says("")})
		defer p.Close()
		peer := &way{name: "b", deaf: true}
		p.PeerUp(peer)
		a := &asking{missing: []gateway.Peer{peer}, done: make(chan struct{})}
		p.open[1] = a
		_ = p.PeerSaid(peer, said)
		p.running.Wait()
		for _, answer := range a.answers {
			require.Equal(t, "b", answer.Node)
			require.LessOrEqual(t, len(answer.Body), MaxText)
		}
	})
}
