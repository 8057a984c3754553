package faults

import (
	"encoding/json"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// message is what nodes tell each other: faults to put in force, or to end.
type message struct {
	Set   []Spec    `json:"set,omitempty"`
	Clear *clearing `json:"clear,omitempty"`
	// Met: the nodes have just met, and what is set may be in force at the other one already.
	Met bool `json:"met,omitempty"`
}

// clearing says which faults end, and who asked for it.
type clearing struct {
	Hub  string `json:"hub"`
	Kind Kind   `json:"kind"`
	By   string `json:"by,omitempty"`
}

// meant says whether a fault is meant: "" is any.
func (c *clearing) meant(id name) bool {
	return (c.Hub == "" || id.hub == c.Hub) && (c.Kind == "" || id.kind == c.Kind)
}

// tell tells the other nodes. Called with s.mu held.
func (s *Set) tell(m message) {
	if len(s.peers) == 0 {
		return
	}
	text, err := json.Marshal(m)
	if err != nil {
		return // the types have no value that fails
	}
	for p := range s.peers {
		p.Send(append([]byte(nil), text...))
	}
}

// conversation is the Set, as the other nodes see it.
type conversation Set

// PeerUp implements gateway.PeerHandler: a node that comes hears what is in force.
func (c *conversation) PeerUp(p gateway.Peer) {
	s := (*Set)(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers[p] = struct{}{}
	m := message{Met: true}
	for _, a := range s.faults {
		spec := a.Spec
		if spec.For = time.Until(a.until); spec.For > 0 {
			m.Set = append(m.Set, spec)
		}
	}
	if text, err := json.Marshal(m); err == nil && len(m.Set) > 0 {
		p.Send(text)
	}
}

// PeerGone implements gateway.PeerHandler.
func (c *conversation) PeerGone(p gateway.Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.peers, p)
}

// PeerRoom implements gateway.PeerHandler.
func (*conversation) PeerRoom(gateway.Peer) {}

// PeerSaid implements gateway.PeerHandler. This node has marks of its own, and refuses what they do not allow.
func (c *conversation) PeerSaid(_ gateway.Peer, text []byte) error {
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	s := (*Set)(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, spec := range m.Set {
		have := s.faults[name{spec.Hub, spec.Kind}]
		if spec.check() != nil || !s.opts.Marked(spec.Hub) || m.Met && have != nil && have.same(spec) {
			continue
		}
		s.set(spec)
	}
	if k := m.Clear; k != nil {
		s.clear(k.meant, k.By)
	}
	return nil
}

// same compares what two faults do, not how long: two nodes that meet have the same ones already.
func (s Spec) same(other Spec) bool {
	s.For, other.For = 0, 0
	s.By, other.By = "", ""
	return s == other
}
