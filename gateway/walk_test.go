package gateway

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// clientele is one worker's part of a hub, whose connections are all in one group too.
type clientele struct {
	dice  *rand.Rand
	hub   *hub
	group *group
	all   []*Conn
}

func newClientele(dice *rand.Rand) *clientele {
	h := &hub{shards: make([]hubShard, 1)}
	h.shards[0].hub, h.shards[0].worker = h, new(worker)
	h.groups.init("chat", 1, nil)
	h.users.init()
	return &clientele{dice: dice, hub: h, group: h.groups.pin("red", 0)}
}

func (p *clientele) comes() *Conn {
	s := &p.hub.shards[0]
	c := &Conn{shard: s, place: placement{slot: int32(len(s.conns))}}
	s.conns = append(s.conns, c)
	p.group.join(c, Membership{})
	p.all = append(p.all, c)
	return c
}

// goes takes away one of those behind the first ones, which stay.
func (p *clientele) goes(stay int) {
	i := stay + p.dice.IntN(len(p.all)-stay)
	p.hub.shards[0].worker.leaveHub(p.all[i])
	p.all[i] = p.all[len(p.all)-1]
	p.all = p.all[:len(p.all)-1]
}

// Whoever stays is visited, and listed once, while so many others come and go between the steps that most places
// of the list change hands.
func TestAWalkMissesNobodyWhoStays(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)                // to play a failure again
	dice := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // nothing is secret
	for _, kind := range []TargetKind{TargetAll, TargetGroups} {
		for range 200 {
			p := newClientele(dice)
			const least = 100
			stay := 2*least + dice.IntN(least)
			for range stay {
				p.comes()
			}
			for range stay / 2 {
				p.comes()
			}
			s := &p.hub.shards[0]
			dice.Shuffle(len(s.conns), func(i, j int) { // places say nothing of who stays
				s.conns[i], s.conns[j] = s.conns[j], s.conns[i]
				s.conns[i].place.slot, s.conns[j].place.slot = int32(i), int32(j)
			})
			members := p.group.shard(0).members
			dice.Shuffle(len(members), func(i, j int) {
				members[i], members[j] = members[j], members[i]
				members[i].inGroup, members[j].inGroup = int32(i), int32(j)
			})
			o := &rollOp{walk: newWalk(receivers{kind: kind, shard: s, groups: []*group{p.group}})}
			o.walk.least = least
			steps := 0
			for more := true; more; steps++ {
				var piece []*Conn
				piece, more = o.walk.step()
				o.found = append(o.found, piece)
				for range dice.IntN(stay / 4) {
					if len(p.all) > stay && dice.IntN(3) > 0 {
						p.goes(stay)
					} else {
						p.comes()
					}
				}
			}
			require.Greater(t, steps, 2)
			times := make(map[*Conn]int)
			for _, c := range o.conns() {
				times[c]++
				require.Equal(t, 1, times[c])
			}
			for _, c := range p.all[:stay] {
				require.Equal(t, 1, times[c])
			}
		}
	}
}

// A walk has steps that do not get more with the list, and others have their turn between them.
func TestAWalkIsInSteps(t *testing.T) {
	for length, want := range map[int]int{0: 1, 1: 1, walkAtLeast: 1, walkAtLeast + 1: 2, 10 * walkAtLeast: walkSteps} {
		p := newClientele(nil)
		conns := make([]*Conn, length)
		one := &Conn{}
		for i := range conns {
			conns[i] = one
		}
		w := newWalk(receivers{kind: TargetUsers, shard: &p.hub.shards[0], conns: conns})
		steps, most, seen := 0, 0, 0
		for more := true; more; steps++ {
			var found []*Conn
			found, more = w.step()
			seen, most = seen+len(found), max(most, len(found))
		}
		require.Equal(t, want, steps)
		require.Equal(t, length, seen)
		require.LessOrEqual(t, most, max(walkAtLeast, length/walkSteps+1))
	}
}

// Of several groups each is walked through, also those that the worker has no members of.
func TestAWalkThroughGroups(t *testing.T) {
	p := newClientele(nil)
	one, two := p.comes(), p.comes()
	blue := p.hub.groups.pin("blue", 0)
	blue.join(two, Membership{})
	none := &group{name: "none", shards: make([]atomic.Pointer[groupShard], 1)}
	o := &rollOp{walk: newWalk(receivers{kind: TargetGroups, shard: &p.hub.shards[0], groups: []*group{none, p.group, none, blue}, except: []string{"x"}})}
	for more := true; more; {
		var piece []*Conn
		piece, more = o.walk.step()
		o.found = append(o.found, piece)
	}
	require.ElementsMatch(t, []*Conn{one, two}, o.conns())
}
