package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An end may be told twice if the node died when it had just told of it, and else not.
func TestEndsThatAreToldTwice(t *testing.T) {
	died := time.Now()
	for name, one := range map[string]struct {
		id   string
		life life
		ok   bool
	}{
		"as the node died":    {"a01", life{connected: 1, disconnected: 2, first: died.Add(-time.Second), ended: died.Add(20 * time.Second), teller: "a"}, true},
		"long before":         {"a01", life{connected: 1, disconnected: 2, first: died.Add(-time.Minute), ended: died.Add(20 * time.Second), teller: "a"}, false},
		"of another node":     {"b01", life{connected: 1, disconnected: 2, first: died, ended: died.Add(20 * time.Second), teller: "b"}, false},
		"handed over to it":   {"b01", life{connected: 1, disconnected: 2, first: died, ended: died.Add(20 * time.Second), teller: "a"}, true},
		"handed over by it":   {"a01", life{connected: 1, disconnected: 2, first: died, ended: died.Add(20 * time.Second), teller: "b"}, false},
		"told once, long ago": {"a01", life{connected: 1, disconnected: 1, first: died.Add(-time.Minute), ended: died.Add(-time.Minute), teller: "a"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stage{checker: newChecker(), cluster: new(cluster)}
			s.hooks = &webhooks{lives: map[string]*life{one.id: &one.life}}
			s.killed = []killed{{node: "a", at: died}}
			s.repeats()
			_, kinds := s.checker.broken()
			require.Equal(t, one.ok, len(kinds) == 0, kinds)
		})
	}
}

// Whom a node without a store has told of right before it died, nobody can know of.
func TestEndsThatNobodyCanTell(t *testing.T) {
	died := time.Now()
	for name, one := range map[string]struct {
		unlogged int
		began    time.Time
		host     string // of a client that does not know of its connection
		untold   int
	}{
		"noted":                   {0, died.Add(-time.Second), "", 1},
		"not noted, just come":    {1, died.Add(-time.Second), "", 0},
		"two, one of them before": {1, died.Add(-time.Minute), "", 2},
		"noted, and coming":       {0, died.Add(-time.Second), "a", 1},
		"coming":                  {1, died.Add(-time.Second), "a", 0},
		"coming to another node":  {1, died.Add(-time.Second), "b", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stage{checker: newChecker()}
			s.hooks = &webhooks{lives: map[string]*life{"1": {connected: 1, began: one.began, host: one.host}}}
			k := killed{node: "a", at: died, ids: map[string]bool{"1": one.host == "", "2": true}, unlogged: one.unlogged}
			if one.untold == 2 {
				s.hooks.lives["2"] = &life{connected: 1, began: one.began}
			}
			s.killed = []killed{k}
			require.Len(t, s.untold(), one.untold)
		})
	}
}
