package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// npmClients is a process with official clients.
type npmClients struct {
	stage *stage
	child *child
	in    io.WriteCloser
	write sync.Mutex

	stateful bool // all by WebSockets
	mu       sync.Mutex
	names    []string
	here     map[string]*receiver
	pending  map[string][]arrival // what came before the client was told that it is connected
}

// arrival is a number, and the connection by which it came.
type arrival struct {
	origin string
	n      int
	id     string
}

// visitor is what the process is told of one client.
type visitor struct {
	Name  string `json:"name"`
	URL   string `json:"url"`
	Token string `json:"token"`
}

// isForwarded says whether the i-th client's bytes may pass another node than its own. The order is that
// of the combinations: of each version three transports with JSON and two with MessagePack.
func isForwarded(i int) bool { return i%5 != 0 && i%5 != 3 }

// isStream says whether the i-th client has Server-Sent Events.
func isStream(i int) bool { return i%5 == 1 }

func startNpm(s *stage, count int, stateful bool) (*npmClients, error) {
	c := &npmClients{stage: s, stateful: stateful, here: make(map[string]*receiver), pending: make(map[string][]arrival)}
	var visitors []visitor
	for i := range count {
		name := fmt.Sprintf("npm%d", i)
		token, err := s.token("u-" + name)
		if err != nil {
			return nil, err
		}
		c.names = append(c.names, name)
		visitors = append(visitors, visitor{name, s.cluster.url() + "/client/?hub=" + hubName + "&" + nameParameter + "=" + name, token})
	}
	first, err := json.Marshal(map[string]any{"visitors": visitors, "stateful": stateful})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("node", "--no-warnings", filepath.Join(s.machine.root, "chaos", "npm.mjs"))
	cmd.Stderr = os.Stderr
	if c.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	read := make(chan struct{})
	if c.child, err = startChild(cmd, func() { <-read }); err != nil {
		return nil, fmt.Errorf("official clients: %w", err)
	}
	go func() {
		defer close(read)
		c.read(out)
	}()
	_, err = c.in.Write(append(first, '\n'))
	return c, err
}

// read takes events until the process has no more.
func (c *npmClients) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event []json.RawMessage
		var client, what string
		if json.Unmarshal(lines.Bytes(), &event) != nil || len(event) < 2 ||
			json.Unmarshal(event[0], &client) != nil || json.Unmarshal(event[1], &what) != nil {
			c.stage.checker.violate("harness", "official clients say "+lines.Text())
			continue
		}
		c.take(client, what, event[2:])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.here {
		r.end()
	}
}

func (c *npmClients) take(client, what string, rest []json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch what {
	case "up":
		var id string
		_ = json.Unmarshal(rest[0], &id)
		c.up(client, id)
	case "down":
		if r := c.here[client]; r != nil {
			r.end()
		}
		delete(c.here, client)
	case "failed":
		c.stage.tally.count("connection attempts that failed")
	case "n":
		var one arrival
		if len(rest) != 3 || json.Unmarshal(rest[0], &one.origin) != nil || json.Unmarshal(rest[1], &one.n) != nil || json.Unmarshal(rest[2], &one.id) != nil {
			c.stage.checker.violate("bytes", fmt.Sprintf("%s got an unknown message: %s", client, rest))
			return
		}
		if r := c.here[client]; r != nil {
			r.receive(one.origin, one.n)
			return
		}
		c.pending[client] = append(c.pending[client], one)
	case "called":
		c.called(client, rest)
	}
}

// called takes the end of a call: connection id, number and error.
func (c *npmClients) called(client string, rest []json.RawMessage) {
	var id string
	var n int
	var failure *string
	_, _, _ = json.Unmarshal(rest[0], &id), json.Unmarshal(rest[1], &n), json.Unmarshal(rest[2], &failure)
	switch r := c.here[client]; {
	case r != nil && r.who.id == id:
		c.stage.answered(r, strconv.Itoa(n), failure)
	case failure != nil:
		c.stage.calls.fail(id, n)
	}
}

func (c *npmClients) up(client, id string) {
	who := identity{client: client, id: id, user: "u-" + client}
	for i, name := range c.names {
		if name == client {
			who.forwarded = !c.stateful && isForwarded(i)
			who.streams = !c.stateful && isStream(i)
		}
	}
	r := c.stage.arrived(who)
	c.here[client] = r
	for _, one := range c.pending[client] {
		if one.id == id { // else it came by a connection that ended before the client was told of it
			r.receive(one.origin, one.n)
		}
	}
	delete(c.pending, client)
}

// speak has the clients say numbers to the application until ctx ends.
func (c *npmClients) speak(ctx context.Context, random *rand.Rand) {
	tick := time.NewTicker(speaking / time.Duration(max(1, len(c.names))))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		name := c.names[random.IntN(len(c.names))]
		c.mu.Lock()
		r := c.here[name]
		c.mu.Unlock()
		// Calls in MessagePack reach webhooks as MessagePack, which is not read here.
		if r == nil || !c.stage.crowd.speaking.Load() || c.stage.hooks != nil && c.isMessagePack(name) {
			continue
		}
		c.tell(name, "Up", c.stage.calls.next(r.who.id))
	}
}

// isMessagePack: see isForwarded. By WebSockets every second one is.
func (c *npmClients) isMessagePack(name string) bool {
	var i int
	_, _ = fmt.Sscanf(name, "npm%d", &i)
	if c.stateful {
		return i%2 == 1
	}
	return i%5 > 2
}

// tell has a client call the application.
func (c *npmClients) tell(name, method string, argument any) {
	line, err := json.Marshal([]any{name, method, argument, c.stage.hooks == nil})
	if err != nil {
		panic(err) // text and a number
	}
	c.write.Lock()
	defer c.write.Unlock()
	// If the process has ended there are no clients any more, which is noticed.
	_, _ = c.in.Write(append(line, '\n'))
}

// close has the clients leave.
func (c *npmClients) close() {
	_ = c.in.Close()
	if !c.child.within(2 * leaving) {
		c.child.kill()
	}
}
