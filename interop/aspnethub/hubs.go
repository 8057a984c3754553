package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// hubType is a hub with its methods, whose names are in lower case.
type hubType struct {
	name    string
	secret  bool // for authenticated users only
	methods map[string]method

	onConnected, onReconnected, onDisconnected func(*call) error
}

// method is a method of a hub.
type method struct {
	name  string
	args  int
	waits bool // other calls of the client need not wait for it
	run   func(*call) (any, error)
}

// hubTypes are all hubs of the application.
var hubTypes = []*hubType{chatHub(), otherHub(), secretHub()}

func findHub(name string) *hubType {
	for _, hub := range hubTypes {
		if strings.EqualFold(hub.name, name) {
			return hub
		}
	}
	return nil
}

// find finds a method that the user may call.
func (h *hubType) find(name string, args int, authenticated bool) (method, error) {
	m, ok := h.methods[strings.ToLower(name)]
	switch {
	case !ok:
		return m, fmt.Errorf("'%s' method could not be resolved. No method found with that name.", name)
	case m.args != args:
		return m, fmt.Errorf("'%s' method could not be resolved. Potential candidates are: \n%s", name, m.name)
	case h.secret && !authenticated:
		return m, fmt.Errorf("Caller is not authorized to invoke the %s method on %s.", m.name, h.name)
	}
	return m, nil
}

// add adds a method that takes so many arguments.
func (h *hubType) add(name string, args int, run func(*call) (any, error)) {
	if h.methods == nil {
		h.methods = map[string]method{}
	}
	h.methods[strings.ToLower(name)] = method{name: name, args: args, run: run}
}

// addWaiting adds a method that may wait for something.
func (h *hubType) addWaiting(name string, args int, run func(*call) (any, error)) {
	h.add(name, args, run)
	m := h.methods[strings.ToLower(name)]
	m.waits = true
	h.methods[strings.ToLower(name)] = m
}

// call is a call of a hub's method, or an event of a hub.
type call struct {
	*client
	hub     *hubType
	id      *string // nil if the call has none
	args    []json.RawMessage
	state   map[string]any
	changed map[string]any
}

// do runs the method and answers the call.
func (c *call) do(m method) {
	result, err := c.guarded(m)
	c.answer(result, err)
}

// guarded runs the method. An argument that it cannot read is an error.
func (c *call) guarded(m method) (result any, err error) {
	defer func() {
		if problem, ok := recover().(badArgument); ok {
			err = problem.error
		}
	}()
	return m.run(c)
}

// badArgument is what arg panics with.
type badArgument struct{ error }

// arg is an argument of the call.
func arg[T any](c *call, i int) (v T) {
	if err := json.Unmarshal(c.args[i], &v); err != nil {
		panic(badArgument{err})
	}
	return v
}

func (c *call) answer(result any, err error) {
	r := response{I: c.id, R: result}
	if err != nil {
		r = failure(c.id, err)
	}
	r.S = c.changed
	c.link.write(toClient(c.client.id, encode(r)))
}

// send calls a method of the clients that a key stands for.
func (c *call) send(key string, except []string, method string, args ...any) error {
	return c.server.send(c.client, key, except, bus(invocation{H: c.hub.name, M: method, A: args}))
}

// toCaller is send for the caller alone, which gets the state along.
func (c *call) toCaller(method string, args ...any) error {
	return c.server.send(c.client, c.hub.connection(c.client.id), nil, bus(invocation{H: c.hub.name, M: method, A: args, S: c.changed}))
}

func (h *hubType) all() string                 { return keyHub + h.name }
func (h *hubType) connection(id string) string { return keyConnection + h.name + "." + id }
func (h *hubType) user(user string) string     { return keyUser + h.name + "." + user }
func (h *hubType) group(group string) string   { return keyGroup + h.name + "." + group }

func otherHub() *hubType {
	h := &hubType{name: "otherHub"}
	h.add("Echo", 1, func(c *call) (any, error) { return arg[string](c, 0), nil })
	h.add("ToUser", 2, func(c *call) (any, error) {
		return nil, c.send(h.user(arg[string](c, 0)), nil, "news", arg[string](c, 1))
	})
	h.add("Broadcast", 1, func(c *call) (any, error) { return nil, c.send(h.all(), nil, "news", arg[string](c, 0)) })
	h.add("ToGroup", 2, func(c *call) (any, error) {
		return nil, c.send(h.group(arg[string](c, 0)), nil, "news", arg[string](c, 1))
	})
	h.addWaiting("Join", 1, func(c *call) (any, error) {
		return nil, c.server.group(c.client, true, c.client.id, h.group(arg[string](c, 0)))
	})
	return h
}

func secretHub() *hubType {
	h := &hubType{name: "secretHub", secret: true}
	h.add("Echo", 1, func(c *call) (any, error) { return arg[string](c, 0), nil })
	return h
}
