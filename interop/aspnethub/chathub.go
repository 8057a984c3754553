package main

import (
	"encoding/json"
	"errors"
	"time"
)

// chatHub is the hub with a method of every kind.
func chatHub() *hubType {
	h := &hubType{name: "ChatHub"}
	h.onConnected = func(c *call) error {
		c.server.record(event{Event: "connected", ConnectionID: c.client.id, User: c.user, Query: c.query.Encode()})
		if c.query.Has("boom") {
			return errors.New("boom in OnConnected")
		}
		if c.query.Has("hello") {
			go c.server.group(c.client, true, c.client.id, h.group("auto"))
			return c.toCaller("news", "hello from OnConnected")
		}
		return nil
	}
	h.onReconnected = func(c *call) error {
		c.server.record(event{Event: "reconnected", ConnectionID: c.client.id, User: c.user})
		return c.toCaller("news", "welcome back")
	}
	h.onDisconnected = func(c *call) error {
		c.server.record(event{Event: "disconnected", ConnectionID: c.client.id, User: c.user})
		return nil
	}
	chatValues(h)
	chatSends(h)
	chatGroups(h)
	chatProgress(h)
	return h
}

func chatValues(h *hubType) {
	h.add("Echo", 1, func(c *call) (any, error) { return arg[string](c, 0), nil })
	h.add("Nothing", 0, func(*call) (any, error) { return nil, nil })
	h.add("Fail", 1, func(c *call) (any, error) {
		text := arg[string](c, 0)
		return nil, &hubException{text: text, data: map[string]string{"text": text}}
	})
	h.add("Crash", 1, func(c *call) (any, error) { return nil, errors.New(arg[string](c, 0)) })
	h.add("WhoAmI", 0, func(c *call) (any, error) {
		return struct {
			ConnectionID string `json:"ConnectionId"`
			Query, User  *string
		}{c.client.id, orNull(c.query.Get("user")), orNull(c.user)}, nil
	})
	h.add("State", 1, func(c *call) (any, error) {
		var before int64
		if n, ok := c.state["counter"].(json.Number); ok {
			before, _ = n.Int64() // 0 for what is no whole number
		}
		if d := arg[int64](c, 0); d != 0 {
			c.changed = map[string]any{"counter": before + d}
		}
		return before, nil
	})
	h.addWaiting("Slow", 1, func(c *call) (any, error) {
		ms := arg[int](c, 0)
		time.Sleep(time.Duration(ms) * time.Millisecond)
		return "slow " + string(c.args[0]), nil
	})
}

// orNull is nil for no text.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func chatSends(h *hubType) {
	news := func(c *call, key string, except []string, text int) (any, error) {
		return nil, c.send(key, except, "news", arg[string](c, text))
	}
	h.add("EchoBack", 1, func(c *call) (any, error) { return nil, c.toCaller("echo", arg[string](c, 0)) })
	h.add("Broadcast", 1, func(c *call) (any, error) { return news(c, h.all(), nil, 0) })
	h.add("AllExcept", 2, func(c *call) (any, error) { return news(c, h.all(), []string{arg[string](c, 0)}, 1) })
	h.add("Others", 1, func(c *call) (any, error) { return news(c, h.all(), []string{c.client.id}, 0) })
	h.add("ToClient", 2, func(c *call) (any, error) { return news(c, h.connection(arg[string](c, 0)), nil, 1) })
	h.add("ToUser", 2, func(c *call) (any, error) { return news(c, h.user(arg[string](c, 0)), nil, 1) })
	each := func(key func(string) string) func(*call) (any, error) {
		return func(c *call) (any, error) {
			for _, one := range arg[[]string](c, 0) {
				if _, err := news(c, key(one), nil, 1); err != nil {
					return nil, err
				}
			}
			return nil, nil
		}
	}
	h.add("ToClients", 2, each(h.connection))
	h.add("ToUsers", 2, each(h.user))
	h.add("ToGroups", 2, each(h.group))
	h.add("ToGroup", 2, func(c *call) (any, error) { return news(c, h.group(arg[string](c, 0)), nil, 1) })
	h.add("ToOthersInGroup", 2, func(c *call) (any, error) {
		return news(c, h.group(arg[string](c, 0)), []string{c.client.id}, 1)
	})
	h.add("Typed", 1, func(c *call) (any, error) {
		return nil, c.send(h.all(), nil, "obj", struct {
			A int
			B string
			C []int
		}{1, "ü" + arg[string](c, 0), []int{1, 2}})
	})
	outside := func(c *call, key, text string) {
		go c.server.send(nil, key, nil, bus(invocation{H: h.name, M: "news", A: []any{text}}))
	}
	h.add("Outside", 1, func(c *call) (any, error) { outside(c, h.all(), arg[string](c, 0)); return nil, nil })
	h.add("OutsideTo", 2, func(c *call) (any, error) {
		outside(c, h.connection(arg[string](c, 0)), arg[string](c, 1))
		return nil, nil
	})
}

func chatGroups(h *hubType) {
	h.addWaiting("Join", 1, func(c *call) (any, error) {
		return "joined", c.server.group(c.client, true, c.client.id, h.group(arg[string](c, 0)))
	})
	h.addWaiting("Leave", 1, func(c *call) (any, error) {
		return "left", c.server.group(c.client, false, c.client.id, h.group(arg[string](c, 0)))
	})
	h.addWaiting("JoinOther", 2, func(c *call) (any, error) {
		return "joined", c.server.group(c.client, true, arg[string](c, 0), h.group(arg[string](c, 1)))
	})
}

// chatProgress adds methods that report progress. Behind a gateway the original cannot, and answers
// with an error. The others do it in the two ways that clients understand.
func chatProgress(h *hubType) {
	h.add("Progress", 1, func(c *call) (any, error) {
		return arg[int](c, 0), c.server.send(c.client, "c-"+c.client.id, nil, nil)
	})
	report := func(send func(c *call, one response) error) func(*call) (any, error) {
		return func(c *call) (any, error) {
			n := arg[int](c, 0)
			if c.id == nil {
				return n, nil
			}
			for i := range n {
				if err := send(c, progressOf(*c.id, i)); err != nil {
					return nil, err
				}
			}
			return n, nil
		}
	}
	h.add("ProgressInside", 1, report(func(c *call, one response) error {
		return c.server.send(c.client, h.connection(c.client.id), nil, bus(one))
	}))
	h.add("ProgressBeside", 1, report(func(c *call, one response) error {
		return c.server.send(c.client, h.connection(c.client.id), nil, encode(one))
	}))
}
