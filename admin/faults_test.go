package admin

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// silentPeers are the other nodes of a cluster of two, of which the other one answers nothing.
type silentPeers struct{}

func (silentPeers) Converse(_ gateway.Topic, h gateway.PeerHandler) (stop func()) {
	h.PeerUp(silentPeer{})
	return func() { h.PeerGone(silentPeer{}) }
}

type silentPeer struct{}

func (silentPeer) Name() string     { return "b" }
func (silentPeer) Send([]byte) bool { return true }
func (silentPeer) Full(int) bool    { return false }

// endedFaults are faults of which two have been ended.
type endedFaults struct{ Faults }

func (endedFaults) List() []Fault                                     { return nil }
func (endedFaults) Clear(hub, kind, by string) (ended int, err error) { return 2, nil }

// A fault that does harm ends at once: no node is waited for.
func TestFaultsEndAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New("1")
		a.WatchManagement(&Management{Guard: &Guard{Token: "admin", AllowPlain: true}})
		defer a.JoinNodes("a", silentPeers{})()
		a.WatchFaults(endedFaults{}, nil)
		r := httptest.NewRequest(http.MethodDelete, "/api/faults?hub=chat", nil)
		r.Header.Set("Authorization", "Bearer admin")
		w := httptest.NewRecorder()
		began := time.Now()
		a.ServeHTTP(w, r)
		require.Zero(t, time.Since(began))
		require.JSONEq(t, `{"cleared":2}`, w.Body.String())
	})
}
