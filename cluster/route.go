package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/hubgate/hubgate/gateway"
)

// A command frame is the number of the command among those that entered at its node, in eight bytes,
// flags, with commandAsks the id of the question, and the Command as gateway.AppendCommand writes it.
const (
	commandAsks byte = 1 << iota
	commandFlags
)

// routed is a command for one peer.
type routed struct {
	to *peer
	// command is shared by all peers that get the same one.
	command *encoded
}

// encoded is a command as it is sent: its frame, and tail, which follows and belongs to the command's
// message. The frame is a part of bytes, made when its number is known.
type encoded struct {
	bytes, frame, tail []byte
	room               [128]byte // for bytes, if they are few
}

// route finds the peers that a command concerns: those that have receivers for one of its names. A
// list of names is cut to those that a peer has receivers for. The names in to are tags of nodes; nil
// is all.
func (b *Backplane) route(to []string, cmd *gateway.Command) (list []routed) {
	peers, away := b.members.liveNow(), *b.members.away.Load()
	if len(peers)+len(away) == 0 {
		return nil
	}
	var room [8]uint64
	names := b.hashes(room[:0], cmd)
	cut := cuts{cmd: cmd}
	for _, p := range peers {
		if to != nil && !slices.Contains(to, p.inc.Tag) {
			continue
		}
		if command := cut.to(p, names); command != nil {
			list = append(list, routed{p, command})
		}
	}
	for _, p := range away {
		if asks := cmd.Verb == gateway.VerbCount || cmd.Verb == gateway.VerbList; asks {
			break // nobody misses that
		}
		if (to == nil || slices.Contains(to, p.inc.Tag)) && slices.ContainsFunc(names, p.filter.had) {
			p.miss()
		}
	}
	return list
}

// miss counts a command that is not sent, since the peer is gone. If it lives, its receivers miss it.
func (p *peer) miss() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.filter.former.Load() != nil && !p.closed {
		p.link.miss()
	}
}

// hashes appends what filters are asked for a command.
func (b *Backplane) hashes(dst []uint64, cmd *gateway.Command) []uint64 {
	kind := NameHub
	switch cmd.Target.Kind {
	case gateway.TargetAll:
		return append(dst, b.keys.hash(kind, cmd.Hub, ""))
	case gateway.TargetConnections:
		kind = NameConnection
	case gateway.TargetUsers:
		kind = NameUser
	case gateway.TargetGroups:
		kind = NameGroup
	}
	for _, id := range cmd.Target.IDs {
		dst = append(dst, b.keys.hash(kind, cmd.Hub, id))
	}
	return dst
}

// cuts writes a command, once for all peers that get the same names.
type cuts struct {
	cmd   *gateway.Command
	whole *encoded
	// bySet are commands with some of the names, of which there are 64 at most.
	bySet map[uint64]*encoded
}

// to returns the command for a peer, nil if it has receivers for none of the names.
func (c *cuts) to(p *peer, names []uint64) *encoded {
	set, count := uint64(0), 0
	for i, name := range names {
		if p.filter.has(name) {
			count++
			set |= 1 << (i & 63)
		}
	}
	switch {
	case count == 0:
		return nil
	case count == len(names):
		if c.whole == nil {
			c.whole = encode(c.cmd)
		}
		return c.whole
	case len(names) > 64:
		return encode(c.only(func(i int) bool { return p.filter.has(names[i]) }))
	}
	if made := c.bySet[set]; made != nil {
		return made
	}
	made := encode(c.only(func(i int) bool { return set&(1<<i) != 0 }))
	if c.bySet == nil {
		c.bySet = make(map[uint64]*encoded)
	}
	c.bySet[set] = made
	return made
}

// only returns the command with some of its names.
func (c *cuts) only(has func(i int) bool) *gateway.Command {
	cut := *c.cmd
	cut.Target.IDs = nil
	for i, id := range c.cmd.Target.IDs {
		if has(i) {
			cut.Target.IDs = append(cut.Target.IDs, id)
		}
	}
	return &cut
}

// commandRoom is more than what is in front of a Command in its frame.
const commandRoom = 8 + 1 + binary.MaxVarintLen64

// encode writes a command behind room for what its frame begins with.
func encode(cmd *gateway.Command) *encoded {
	size := commandRoom + 64 + len(cmd.Hub) + len(cmd.Group)
	for _, list := range [][]string{cmd.Target.IDs, cmd.Target.Except, cmd.Target.ExceptUsers} {
		for _, name := range list {
			size += binary.MaxVarintLen64 + len(name)
		}
	}
	e := new(encoded)
	room := e.room[:commandRoom]
	if size > cap(room) {
		room = make([]byte, commandRoom, size)
	}
	e.bytes, e.tail = gateway.AppendCommandShared(room, cmd)
	return e
}

// begin writes what the frame begins with right before the command.
func (e *encoded) begin(number, question uint64) {
	var room [commandRoom]byte
	head := append(binary.BigEndian.AppendUint64(room[:0], number), 0)
	if question != 0 {
		head[8] = commandAsks
		head = binary.AppendUvarint(head, question)
	}
	e.frame = e.bytes[commandRoom-len(head):]
	copy(e.frame, head)
}

// hand queues commands for their peers, all with one number. A peer that does not get it is told to
// missed, if that is set.
func (b *Backplane) hand(list []routed, question uint64, missed func(p *peer, err error)) error {
	if len(list) == 0 {
		return nil
	}
	b.numbering.mu.Lock()
	defer b.numbering.mu.Unlock()
	b.numbering.last++
	var errs []error
	for i := range list {
		r := &list[i]
		if r.command.frame == nil {
			r.command.begin(b.numbering.last, question)
		}
		if err := r.to.hand(r.command.frame, r.command.tail); err != nil {
			if err != errPeerGone {
				errs = append(errs, err)
			}
			if missed != nil {
				missed(r.to, err)
			}
		}
	}
	return errors.Join(errs...)
}

// hand queues a command. A peer that is gone gets nothing and is no error, as if it had been gone
// before.
func (p *peer) hand(frame, tail []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if size := len(frame) + len(tail); p.link.tooLarge(size) {
		return fmt.Errorf("%w for the node %s: %d bytes", errTooLarge, p.inc, size)
	}
	if !p.link.pushCommand(frame, tail) {
		if p.link.state != open {
			return errPeerGone
		}
		return fmt.Errorf("%w: the node %s is behind", gateway.ErrHubBusy, p.inc)
	}
	p.kickLocked()
	return nil
}

// errPeerGone says that a peer is gone, for which nothing has to be done.
var errPeerGone = errors.New("cluster: the node is gone")

// command carries out a command of a peer.
func (p *peer) command(body []byte) error {
	r := *newReader(body)
	r.Fixed() // the number, which order and duplicates over several nodes will need
	flags := r.Byte()
	question := uint64(0)
	if flags&commandAsks != 0 {
		question = r.Number()
	}
	if r.Failed || flags >= commandFlags {
		return errMalformed
	}
	cmd, err := gateway.ParseCommand(r.Rest)
	if err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	cmd.From = p.inc.Tag
	if question == 0 {
		p.b.node.Apply(cmd, nil)
		return nil
	}
	p.b.node.Apply(cmd, func(result gateway.Result, err error) {
		p.push(frameAnswer, gateway.AppendResult(binary.AppendUvarint(nil, question), result, err))
	})
	return nil
}
