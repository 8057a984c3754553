package main

import (
	"bytes"
	"sync"
)

// balancer gives each TCP connection to the next node that is ready: in turns, without sticky sessions.
type balancer struct {
	*proxy
	cluster *cluster

	mu     sync.Mutex
	next   int
	owners map[string]string
	given  map[string]int
	// sockets counts WebSockets.
	sockets int
}

// nameParameter is the query parameter by which the balancer knows which client a WebSocket is of.
const nameParameter = "client"

func startBalancer(c *cluster) (*balancer, error) {
	b := &balancer{cluster: c, owners: make(map[string]string), given: make(map[string]int)}
	p, err := startProxy(b.choose, true, 2*len(c.nodes))
	if err != nil {
		return nil, err
	}
	b.proxy = p
	return b, nil
}

// choose takes the next node that is ready, or if there is none the next one.
func (b *balancer) choose(first []byte) (string, *valve) {
	b.mu.Lock()
	defer b.mu.Unlock()
	nodes := b.cluster.nodes
	chosen := nodes[b.next%len(nodes)]
	for range nodes {
		chosen = nodes[b.next%len(nodes)]
		b.next++
		if chosen.ready.Load() && !chosen.front.isShut() {
			break
		}
	}
	b.given[chosen.name]++
	if client := upgraded(first); client != "" {
		b.owners[client] = chosen.name
		b.sockets++
	}
	return chosen.address(), chosen.front
}

// owner is the node that got the newest WebSocket of a client; "" if there was none.
func (b *balancer) owner(client string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.owners[client]
}

// upgrades is how many WebSockets there were.
func (b *balancer) upgrades() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sockets
}

// upgraded returns the client that asks for a WebSocket, "" if this is another request.
func upgraded(request []byte) string {
	head, _, _ := bytes.Cut(request, []byte("\r\n\r\n"))
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.Contains(bytes.ToLower(fields), []byte("upgrade: websocket")) {
		return ""
	}
	_, rest, _ := bytes.Cut(line, []byte(nameParameter+"="))
	name, _, _ := bytes.Cut(rest, []byte(" "))
	name, _, _ = bytes.Cut(name, []byte("&"))
	return string(name)
}
