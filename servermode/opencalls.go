package servermode

import (
	"bytes"
	"slices"

	"github.com/hubgate/hubgate/hubprotocol"
)

// openCalls are the ids of a client's open invocations. They are a list, because few are open at a
// time; a client with very many gets a set.
type openCalls struct {
	few  []string
	many map[string]struct{}
}

const (
	// manyCalls is the number of ids from which on a set is faster than a list.
	manyCalls = 64
	// mostCalls is how many open invocations of a client are known. Hub servers of ASP.NET SignalR
	// never answer some. Of a client that has more, any one is forgotten.
	mostCalls = 1 << 14
)

func (c *openCalls) add(id string) {
	switch {
	case c.many != nil:
		if len(c.many) >= mostCalls {
			for any := range c.many {
				delete(c.many, any)
				break
			}
		}
		c.many[id] = struct{}{}
	case len(c.few) < manyCalls:
		c.few = append(c.few, id)
	default:
		c.many = make(map[string]struct{}, 2*manyCalls)
		for _, have := range c.few {
			c.many[have] = struct{}{}
		}
		c.many[id], c.few = struct{}{}, nil
	}
}

func (c *openCalls) empty() bool { return len(c.few) == 0 && len(c.many) == 0 }

// removeRaw removes an id, given as it is written in a record. False means that it is not there.
func (c *openCalls) removeRaw(protocol string, raw, body []byte) bool {
	if c.empty() {
		return false
	}
	if escaped(protocol, raw) {
		raw = []byte(plainID(protocol, raw, body))
	}
	if c.many != nil {
		if _, ok := c.many[string(raw)]; !ok {
			return false
		}
		if delete(c.many, string(raw)); len(c.many) == 0 {
			c.many = nil
		}
		return true
	}
	for i, have := range c.few {
		if have == string(raw) {
			last := len(c.few) - 1
			c.few[i], c.few[last] = c.few[last], ""
			c.few = c.few[:last]
			return true
		}
	}
	return false
}

// all returns all ids.
func (c *openCalls) all() []string {
	ids := slices.Clone(c.few)
	for id := range c.many {
		ids = append(ids, id)
	}
	return ids
}

// take removes and returns all ids.
func (c *openCalls) take() []string {
	ids := c.all()
	*c = openCalls{}
	return ids
}

// plainID returns an invocation id without the escapes that it may have in its record.
func plainID(protocol string, raw, body []byte) string {
	if escaped(protocol, raw) {
		if m, err := hubprotocol.Parse(protocol, body); err == nil {
			return m.InvocationID
		}
	}
	return string(raw)
}

func escaped(protocol string, raw []byte) bool {
	return protocol == hubprotocol.JSON && bytes.IndexByte(raw, '\\') >= 0
}
