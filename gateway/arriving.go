package gateway

// A connection arrives between Announce, from which on commands for its user find it, and its
// announceOp, from which on it is a receiver. In between the store of memberships is asked. What
// happens to the user's memberships meanwhile is noted and carried out behind the store's answer,
// which may be older. A close is carried out at once.

// notedVerb is a change of memberships that came while the connection arrived.
type notedVerb struct {
	verb Verb
	name string
	// group is pinned, for VerbJoin: what is sent to the group meanwhile comes behind the join.
	group      *group
	membership Membership
}

// note keeps the command for those of its connections that are arriving, and returns how many
// they are. Called by the worker.
func (o *verbOp) note(w *worker) int {
	arriving := o.arriving()
	for _, c := range arriving {
		n := notedVerb{verb: o.cmd.Verb, name: o.cmd.Group, membership: o.cmd.Membership}
		if n.verb == VerbJoin {
			n.group = c.shard.hub.groups.pin(n.name, w.index)
		}
		c.place.noted = append(c.place.noted, n)
	}
	return len(arriving)
}

// arriving lists those of the command's connections that are arriving, which are no receivers yet.
// Called by the worker.
func (o *verbOp) arriving() (list []*Conn) {
	for _, c := range o.to.conns {
		if !c.place.arrived && o.to.wants(c) && c.life.state() != gone {
			list = append(list, c)
		}
	}
	return list
}

// arrive gives a connection the groups it starts with, if it is a receiver, and carries out what
// was noted for it. Called by the worker.
func (w *worker) arrive(c *Conn, standing []pinnedGroup, hears bool) {
	noted := c.place.noted
	c.place.arrived, c.place.noted = true, nil
	join := func(g *group, m Membership) {
		if hears {
			w.join(c, g, m)
		}
		c.shard.hub.groups.unpin(g, w.index)
	}
	for _, s := range standing {
		join(s.group, s.membership)
	}
	for _, n := range noted {
		switch n.verb {
		case VerbJoin:
			join(n.group, n.membership)
		case VerbLeave:
			if m := c.membership(n.name); m != nil {
				m.leave()
			}
		case VerbLeaveAll:
			c.leaveAll()
		}
	}
}

// forgetNoted gives back what was noted for a connection that will not arrive. Called by the worker.
func (w *worker) forgetNoted(c *Conn) {
	for _, n := range c.place.noted {
		if n.verb == VerbJoin {
			c.shard.hub.groups.unpin(n.group, w.index)
		}
	}
	c.place.noted = nil
}
