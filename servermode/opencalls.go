package servermode

import (
	"bytes"

	"github.com/hubgate/hubgate/hubprotocol"
)

// openCalls are the ids of a client's open invocations. They are a list, because few are open at a
// time; a client with very many gets a set.
type openCalls struct {
	few  []openCall
	many map[string]openCall
	// offered is the record that the hub server has had no room for, and that comes again; nil without a tracer.
	offered *offeredRecord
}

const (
	// manyCalls is the number of ids from which on a set is faster than a list.
	manyCalls = 64
	// mostCalls is how many open invocations of a client are known. Hub servers of ASP.NET SignalR
	// never answer some. Of a client that has more, any one is forgotten.
	mostCalls = 1 << 14
)

func (c *openCalls) add(call openCall) {
	switch {
	case c.many != nil:
		if len(c.many) >= mostCalls {
			for id, forgotten := range c.many {
				forgotten.lost(callTooMany)
				delete(c.many, id)
				break
			}
		}
		c.many[call.id] = call
	case len(c.few) < manyCalls:
		c.few = append(c.few, call)
	default:
		c.many = make(map[string]openCall, 2*manyCalls)
		for _, have := range c.few {
			c.many[have.id] = have
		}
		c.many[call.id], c.few = call, nil
	}
}

func (c *openCalls) empty() bool { return len(c.few) == 0 && len(c.many) == 0 }

// removeRaw removes an invocation, given by its id as it is written in a record. False means that it is not there.
func (c *openCalls) removeRaw(protocol string, raw, body []byte) (call openCall, ok bool) {
	if c.empty() {
		return openCall{}, false
	}
	if escaped(protocol, raw) {
		raw = []byte(plainID(protocol, raw, body))
	}
	if c.many != nil {
		if call, ok = c.many[string(raw)]; !ok {
			return openCall{}, false
		}
		if delete(c.many, string(raw)); len(c.many) == 0 {
			c.many = nil
		}
		return call, true
	}
	for i, have := range c.few {
		if have.id == string(raw) {
			last := len(c.few) - 1
			c.few[i], c.few[last] = c.few[last], openCall{}
			c.few = c.few[:last]
			return have, true
		}
	}
	return openCall{}, false
}

// all returns all ids.
func (c *openCalls) all() []string {
	var ids []string
	for i := range c.few {
		ids = append(ids, c.few[i].id)
	}
	for id := range c.many {
		ids = append(ids, id)
	}
	return ids
}

// end is take for a client that is not here any more. What was offered does not come again.
func (c *openCalls) end(why string) {
	c.take(why)
	c.withdraw(why)
}

// take removes all invocations, which the hub server will not answer any more, and returns their ids.
func (c *openCalls) take(why string) []string {
	ids := c.all()
	for i := range c.few {
		c.few[i].lost(why)
	}
	for _, call := range c.many {
		call.lost(why)
	}
	c.few, c.many = nil, nil
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
