package clientws

import (
	"net/url"
	"sync"
)

// counted is a Metrics that remembers.
type counted struct {
	mu         sync.Mutex
	negotiated int
	opened     map[string]int
	panics     int
}

func (c *counted) Negotiated() { c.change(func() { c.negotiated++ }) }
func (c *counted) Panicked()   { c.change(func() { c.panics++ }) }
func (c *counted) Opened(transport string) {
	c.change(func() {
		if c.opened == nil {
			c.opened = make(map[string]int)
		}
		c.opened[transport]++
	})
}

func (c *counted) panicked() (n int) {
	c.change(func() { n = c.panics })
	return n
}

func (c *counted) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func escape(s string) string { return url.QueryEscape(s) }
