package limits

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// By is what clients have in common that are counted together.
type By struct {
	// Kind is user, token or claim. Clients without it, or with an empty one, are not counted.
	Kind string
	// Claim is the name of the claim.
	Claim string
}

// String says it for people.
func (b By) String() string {
	if b.Kind == "claim" {
		return "value of the claim " + b.Claim
	}
	return b.Kind
}

// of returns what a client has of it. Two clients that have the same have it in common. Something empty is nothing: clients
// that have no value in common are not counted together.
func (b By) of(who *gateway.Identity) (value string, ok bool) {
	switch b.Kind {
	case "user":
		value = who.User
	case "token":
		value = who.Token
	default:
		for _, c := range who.Claims {
			if strings.EqualFold(c.Type, b.Claim) {
				return keyOf(c.Value), c.Value != ""
			}
		}
	}
	return keyOf(value), value != ""
}

// Count bounds how many clients that have something in common are connected at a time.
type Count struct {
	// Name is unique.
	Name string
	By   By
	Max  int
}

// retryAfter is when a client that was refused may try again: nobody knows when another one leaves.
const retryAfter = 10 * time.Second

// Counter counts clients by Counts. It implements gateway.Turnstile. All methods may be called concurrently.
type Counter struct {
	counts []Count
	over   func(rule, hub, user string)
	others *Others

	mu sync.Mutex
	// there is how many clients of each rule there are, by what they have in common; entered is what of it each
	// client has, by its id and in the order of the rules.
	there   []map[string]int
	entered map[string][]string
	// changed are values whose numbers have changed since the others were told, by rule; nil without others.
	changed []map[string]struct{}
}

// NewCounter returns a Counter that has counted nobody. Over is told of each client that is refused. The clients of
// others, which may be nil, count too.
func NewCounter(counts []Count, others *Others, over func(rule, hub, user string)) *Counter {
	c := &Counter{counts: counts, over: over, others: others, there: make([]map[string]int, len(counts)), entered: make(map[string][]string)}
	for i := range c.there {
		c.there[i] = make(map[string]int)
	}
	if others != nil {
		c.changed = make([]map[string]struct{}, len(counts))
		for i := range c.changed {
			c.changed[i] = make(map[string]struct{})
		}
	}
	return c
}

// Enter implements gateway.Turnstile. Rules are tried in their order, and the first that is full refuses.
func (c *Counter) Enter(who *gateway.Identity, probe bool) error {
	if rule := c.enter(who, probe); rule != nil {
		c.over(rule.Name, who.Hub, who.User)
		return &gateway.Overrun{Rule: rule.Name, Text: fmt.Sprintf("%d connections for each %v", rule.Max, rule.By), Reset: retryAfter}
	}
	return nil
}

// enter returns the rule that refuses; what is said of it is written without the lock that all who come and go need.
func (c *Counter) enter(who *gateway.Identity, probe bool) *Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.counts {
		rule := &c.counts[i]
		if value, ok := rule.By.of(who); ok && c.entered[who.ID] == nil && c.there[i][value]+c.others.clients(rule.By, value) >= rule.Max {
			return rule
		}
	}
	if !probe {
		c.add(who)
	}
	return nil
}

// add counts a client once, whatever the rules say. Called with mu held.
func (c *Counter) add(who *gateway.Identity) {
	if c.entered[who.ID] != nil {
		return
	}
	values := make([]string, len(c.counts))
	for i, rule := range c.counts {
		if value, ok := rule.By.of(who); ok {
			values[i] = value
			c.there[i][value]++
			c.change(i, value)
		}
	}
	c.entered[who.ID] = values
}

// Seen implements gateway.Turnstile.
func (c *Counter) Seen(who *gateway.Identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(who)
}

// Leave implements gateway.Turnstile.
func (c *Counter) Leave(who *gateway.Identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, value := range c.entered[who.ID] {
		if value == "" {
			continue
		}
		if c.there[i][value]--; c.there[i][value] <= 0 {
			delete(c.there[i], value)
		}
		c.change(i, value)
	}
	delete(c.entered, who.ID)
}

// change notes what the others have to be told. Called with mu held.
func (c *Counter) change(rule int, value string) {
	if c.changed != nil {
		c.changed[rule][value] = struct{}{}
	}
}

// changes returns how many clients there are of whom the others have to be told, or, for others that know nothing, of
// all. Rules that count by the same count the same. A nil Counter has none.
func (c *Counter) changes(all bool) numbers {
	now := make(numbers)
	if c == nil {
		return now
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, rule := range c.counts {
		about := rule.By.key()
		put := func(value string) {
			if now[about] == nil {
				now[about] = make(map[string]int)
			}
			now[about][value] = c.there[i][value]
		}
		for value := range c.changed[i] {
			put(value)
		}
		clear(c.changed[i])
		if all {
			for value := range c.there[i] {
				put(value)
			}
		}
	}
	return now
}
