package gateway

import "sync"

// notice is an announcement on its way to the other nodes, and who waits until they know it. A nil
// notice is none: nobody waits for it.
type notice struct {
	mu   sync.Mutex
	over bool
	then []func()
}

// settle says that the other nodes know. It is the done of an announcement.
func (n *notice) settle() {
	n.mu.Lock()
	then := n.then
	n.over, n.then = true, nil
	n.mu.Unlock()
	for _, do := range then {
		do()
	}
}

// wait has then called when the other nodes know. If they do already, it reports false and then is
// never called.
func (n *notice) wait(then func()) bool {
	if n == nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return false
	}
	n.then = append(n.then, then)
	return true
}

// plane is what the core uses of its Backplane beside carrying commands. Each is nil if the Backplane
// is not able to do it, and all are if there is none.
type plane struct {
	asker     Asker
	finder    Finder
	announcer Announcer
	admitter  Admitter
	// start has a reader go on, in a goroutine of its own: it may have to wait.
	start func(*Conn)
}

func (p *plane) init(b Backplane, start func(*Conn)) {
	p.asker, _ = b.(Asker)
	p.finder, _ = b.(Finder)
	p.announcer, _ = b.(Announcer)
	p.admitter, _ = b.(Admitter)
	p.start = start
}

// names are those that a connection is announced under.
func (c *Conn) names() []Name {
	list := []Name{{Kind: NameHub, Hub: c.id.Hub}, {Kind: NameConnection, Hub: c.id.Hub, Name: c.id.ID}}
	if c.id.User != "" {
		list = append(list, Name{Kind: NameUser, Hub: c.id.Hub, Name: c.id.User})
	}
	return list
}

// announceNames tells the other nodes of a connection that is being made. withdrawNames follows once.
func (c *Conn) announceNames() {
	if c.g.plane.announcer == nil {
		return
	}
	known := new(notice)
	c.reader.arrival = &arrival{awaits: []*notice{known}}
	c.g.plane.announcer.Announce(c.names(), known.settle)
}

// withdrawNames takes back what announceNames has announced, when no command can find the connection
// any more.
func (c *Conn) withdrawNames() {
	if a := c.g.plane.announcer; a != nil {
		a.Withdraw(c.names())
	}
}
