package upstream

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// A client is handed over when its events have been delivered and answered; the next node calls nothing
// for that, and tells its end.
func TestN45EventsAreDeliveredBeforeAClientIsHandedOver(t *testing.T) {
	answer := make(chan struct{})
	h := newHook(t, func(w http.ResponseWriter, _ post) {
		<-answer
		w.WriteHeader(http.StatusNoContent)
	})
	here, there := start(t, toAll(h.URL)), start(t, toAll(h.URL))
	client := newConn("abc")
	s := connect(here, client)
	require.True(t, receive(t, s, invoke("7", "two")))
	parked := make(chan error, 1)
	s.Park(func(err error) { parked <- err })
	require.Equal(t, "connected", want(t, h.posts).event())
	require.Empty(t, parked)
	answer <- struct{}{}
	require.Equal(t, "two", want(t, h.posts).event())
	require.Empty(t, parked)
	answer <- struct{}{}
	require.NoError(t, <-parked)
	require.Equal(t, "7", completion(t, client).InvocationID, "it had its answer before")
	s.Moved("b")
	s.Closed(gateway.Cause{Reason: gateway.CloseNormal})
	require.NoError(t, here.Close(t.Context()))
	require.Empty(t, h.posts, "the other node tells its end")

	close(answer)
	next := there.resume(newConn("abc"))
	next.Park(func(err error) { parked <- err })
	require.NoError(t, <-parked, "nothing waits")
	next.Stays()
	next.Closed(gateway.Cause{Reason: gateway.CloseNormal})
	require.Equal(t, "disconnected", want(t, h.posts).event())
}

// The next node notes the client before it delivers anything, the former one forgets it.
func TestN45TheNoteOfAClientMovesWithIt(t *testing.T) {
	here, there := new(noted), new(noted)
	h := newHook(t, nil)
	former, next := startNoted(t, toAll(h.URL), here), startNoted(t, toAll(h.URL), there)
	s := connect(former, newConn("abc"))
	parked := make(chan error, 1)
	s.Park(func(err error) { parked <- err })
	require.NoError(t, <-parked)
	n := next.resume(newConn("abc"))
	s.Moved("b")
	n.Closed(gateway.Cause{Reason: gateway.CloseNormal})
	require.NoError(t, former.Close(t.Context()))
	require.NoError(t, next.Close(t.Context()))
	require.Equal(t, []string{"born chat abc", "ended abc"}, here.list())
	require.Equal(t, []string{"born chat abc", "doubted abc", "ending abc", "ended abc"}, there.list())
}

// A client that stays after all may have been noted by the node that was to have it.
func TestN45AClientThatStaysMayBeNotedElsewhere(t *testing.T) {
	here, h := new(noted), newHook(t, nil)
	b := startNoted(t, toAll(h.URL), here)
	early, late := connect(b, newConn("early")), connect(b, newConn("late"))
	early.Stays() // before the other node has heard of it
	_, err := late.Export()
	require.NoError(t, err)
	late.Stays()
	late.Closed(gateway.Cause{Reason: gateway.CloseNormal})
	early.Closed(gateway.Cause{Reason: gateway.CloseNormal})
	require.NoError(t, b.Close(t.Context()))
	require.Contains(t, here.list(), "doubted late")
	require.NotContains(t, here.list(), "doubted early")
}

func TestAClientThatWasRejectedIsNotHandedOver(t *testing.T) {
	h := newHook(t, says(http.StatusUnauthorized, ""))
	s := connect(start(t, toAll(h.URL)), newConn("abc"))
	want(t, h.posts)
	require.Eventually(t, func() bool { return !s.Pending() }, time.Minute, time.Millisecond)
	parked := make(chan error, 1)
	s.Park(func(err error) { parked <- err })
	require.Error(t, <-parked)
}

// The former node has the client until the next one has noted it: a node that dies between the two would
// leave a client of whose end nobody tells.
func TestN45TheNextNodeNotesAClientBeforeTheFormerOneForgetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, network := newMemoryHook(t, nil)
		slow := &noted{born: make(chan struct{})}
		b := startNoted(t, toAll("http://upstream"), slow, network.on)
		s := b.resume(newConn("abc"))
		arrived := make(chan struct{})
		go func() {
			defer close(arrived)
			s.Arrived()
		}()
		synctest.Wait()
		select {
		case <-arrived:
			require.Fail(t, "it is not noted yet")
		default:
		}
		close(slow.born)
		<-arrived
		require.Equal(t, []string{"born chat abc", "doubted abc"}, slow.list())

		// A store that does not answer does not hold up the client for long.
		slow.born = make(chan struct{})
		never := b.resume(newConn("def"))
		began := time.Now()
		never.Arrived()
		require.Equal(t, noteTime, time.Since(began))
		close(slow.born)
	})
}
