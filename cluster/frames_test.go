package cluster

import (
	"errors"
	"net/http"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// nowhere is a carrier to nobody.
type nowhere struct{}

func (nowhere) Open(Inc, func(Inc, []byte)) (func(), error) { return func() {}, nil }
func (nowhere) Send(Inc, []byte) error                      { return errors.New("nobody is there") }
func (nowhere) Limit() int                                  { return 1 << 20 }

// applied is a node that keeps the last command and answers it.
type applied struct{ last *gateway.Command }

func (*applied) Name() string { return "b" }
func (a *applied) Apply(cmd *gateway.Command, answered func(gateway.Result, error)) {
	a.last = cmd
	if answered != nil {
		answered(gateway.Result{Matched: 1}, nil)
	}
}

// alonePeer is a peer of a node that has not joined.
func alonePeer(tb testing.TB) (*peer, *applied) {
	b, err := New(Options{Tag: "b", Carrier: nowhere{}})
	require.NoError(tb, err)
	tb.Cleanup(b.counted.lines.Close)
	a := &applied{}
	b.node, b.cfg.packet = a, 1<<10
	return newPeer(b, Inc{"a", 1}), a
}

func aRequest() requestHead {
	return requestHead{method: "POST", uri: "/client/?hub=chat", host: "hub.example", remote: "192.0.2.1:5", flags: httpHasBody, major: 1, minor: 1, length: -1,
		header: http.Header{"X-One": {"1"}, "X-Many": {"2", "3"}}}
}

func TestHeadsOfRequests(t *testing.T) {
	h := aRequest()
	var got requestHead
	require.NoError(t, got.read(newReader(h.append(nil))))
	require.Equal(t, h, got)
	answer := responseHead{status: 404, header: http.Header{"A": {""}}}
	var gotAnswer responseHead
	require.NoError(t, gotAnswer.read(newReader(answer.append(nil))))
	require.Equal(t, answer, gotAnswer)
	for _, frame := range [][]byte{h.append(nil), answer.append(nil)} {
		for cut := range frame {
			require.Error(t, new(requestHead).read(newReader(frame[:cut])))
			require.Error(t, new(responseHead).read(newReader(frame[:cut])))
		}
	}
	early := responseHead{status: 100}
	require.Error(t, gotAnswer.read(newReader(early.append(nil))))
	for _, id := range []streamID{{1, true}, {1 << 40, false}} {
		there, op, r, err := cutHTTP(append(appendHTTP(nil, id, httpPiece), "bytes"...))
		require.NoError(t, err)
		require.Equal(t, streamID{id.number, !id.mine}, there)
		require.Equal(t, httpPiece, op)
		require.Equal(t, "bytes", string(r.Rest))
	}
}

func FuzzHTTPFrames(f *testing.F) {
	h, answer := aRequest(), responseHead{status: 200, header: http.Header{"A": {"b"}}}
	f.Add(h.append(appendHTTP(nil, streamID{1, true}, httpRequest)))
	f.Add(answer.append(appendHTTP(nil, streamID{1, true}, httpResponse)))
	f.Add(append(appendHTTP(nil, streamID{1, false}, httpCredit), 5))
	f.Add(append(appendHTTP(nil, streamID{1, false}, httpPiece), "piece"...))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, _ := alonePeer(t)
		s := p.streams.addLocked(newStream(p, streamID{1, true}))
		_ = p.http(body) // without a handler requests are refused
		if s.credit > streamWindow || s.held > streamWindow {
			t.Fatalf("a credit of %d, %d bytes held", s.credit, s.held)
		}
		_, op, r, err := cutHTTP(body)
		if err != nil {
			return
		}
		switch op {
		case httpRequest:
			var h, again requestHead
			if rest := r; h.read(&rest) == nil && (again.read(newReader(h.append(nil))) != nil || !reflect.DeepEqual(h, again)) {
				t.Fatalf("%+v is read again as %+v", h, again)
			}
		case httpResponse:
			var h, again responseHead
			if rest := r; h.read(&rest) == nil && (again.read(newReader(h.append(nil))) != nil || !reflect.DeepEqual(h, again)) {
				t.Fatalf("%+v is read again as %+v", h, again)
			}
		}
	})
}

func FuzzCommandFrames(f *testing.F) {
	cmd := &gateway.Command{Hub: "chat", Verb: gateway.VerbCount, Target: gateway.Target{Kind: gateway.TargetUsers, IDs: []string{"ann", "bob"}}}
	for _, question := range []uint64{0, 77} {
		made := encode(cmd)
		made.begin(5, question)
		f.Add(append(made.frame, made.tail...))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, node := alonePeer(t)
		if err := p.command(body); (err == nil) != (node.last != nil) {
			t.Fatalf("error %v, and the command is %+v", err, node.last)
		}
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add(gateway.AppendResult([]byte{1}, gateway.Result{Matched: 3, Members: []gateway.Member{{ID: "1", User: "ann"}}}, nil))
	f.Add(gateway.AppendResult([]byte{1}, gateway.Result{}, errors.New("no")))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, _ := alonePeer(t)
		answers := 0
		q := &question{missing: []*peer{p}, answered: func(gateway.Result, error) { answers++ }}
		p.b.questions.begin(t.Context(), q)
		_ = p.answer(body)
		p.b.questions.gone(p)
		if answers != 1 {
			t.Fatalf("%d answers", answers)
		}
	})
}

func FuzzMembersAndLoad(f *testing.F) {
	p, _ := alonePeer(f)
	p.b.members.tell(p, 0)
	f.Add([]byte("\x01\x01a\x00\x00\x00\x00\x00\x00\x00\x07\x05"))
	f.Add([]byte("\x02\x04chat\x05other"))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, _ := alonePeer(t)
		before := len(p.b.members.all())
		if p.members(body) != nil && len(p.b.members.all()) != before {
			t.Fatal("members of a malformed frame are known")
		}
		if p.load(body) != nil && p.crowded.Load() != nil {
			t.Fatal("a malformed load is in force")
		}
	})
}
