package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
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

// setFaults are faults that are put in force as they come.
type setFaults struct{ Faults }

func (setFaults) List() []Fault              { return nil }
func (setFaults) Set(f Fault) (Fault, error) { return f, nil }

// Who says nothing of the share means all. Who says 0 does not.
func TestShareOfAFault(t *testing.T) {
	a := New("1")
	a.WatchManagement(&Management{Guard: &Guard{Token: "admin", AllowPlain: true}})
	a.WatchFaults(setFaults{}, nil)
	for body, want := range map[string]float64{
		`{"hub":"chat","kind":"drop"}`: 1, `{"hub":"chat","kind":"drop","share":0}`: 0, `{"hub":"chat","kind":"drop","share":0.5}`: 0.5,
	} {
		r := httptest.NewRequest(http.MethodPost, "/api/faults", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer admin")
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		var f Fault
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &f), w.Body)
		require.Equal(t, want, f.Share, body)
	}
}

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
