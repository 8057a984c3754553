package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/bench/link"
)

// stage is one scenario while it runs: a cluster, clients, an application, and who watches them.
type stage struct {
	looked int // in the logs, see saw

	machine *machine
	plan    plan
	cluster *cluster
	checker *checker
	application
	tally  tally
	crowd  crowd
	report report
	deeds
}

// application is who stands behind the hub, and what joins the nodes from outside.
type application struct {
	calls *calls
	hooks *webhooks // in Serverless mode
	hubs  *hubs     // in Default mode
	nats  *natsServer
}

// deeds are what the scenario has done.
type deeds struct {
	killed []killed
	stores atomic.Int64 // users that were put into a group
	extra  int          // clients of a scenario's own
	// afterwards looks at what is left when everybody has gone; nil looks at nothing.
	afterwards func()
}

// plan is how much there is of everything.
type plan struct {
	shape
	clients, official int
	stateful          bool
	// every is the time between two messages of one sender.
	every time.Duration
	seed  uint64
}

// killed is a process that was killed, and the connections that have died with it.
type killed struct {
	node string
	at   time.Time
	ids  map[string]bool
	// unlogged is how many clients it could not note in the store: whose ends nobody may tell.
	unlogged int
}

// crowd is who is there.
type crowd struct {
	official *npmClients
	senders  []*sender
	rest     *rest
	joins    sync.WaitGroup
	clients  sync.WaitGroup
	leave    context.CancelFunc
	sending  sync.WaitGroup
	quiet    context.CancelFunc
	speaking atomic.Bool
}

// comingTime bounds the way of all clients into the cluster.
const comingTime = 60 * time.Second

// newStage starts everything, and returns when all clients are connected and in their groups.
func newStage(ctx context.Context, m *machine, name string, p plan) (*stage, error) {
	s := &stage{machine: m, plan: p, checker: newChecker()}
	if m.long {
		s.checker.dying.Store(int64(dyingLate))
	}
	s.crowd.leave, s.crowd.quiet = func() {}, func() {}
	s.calls = newCalls(s.checker)
	dir := filepath.Join(m.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if p.mode == modeServerless {
		var err error
		if s.hooks, err = startWebhooks(s.checker, s.calls); err != nil {
			return nil, err
		}
		p.flags = append(s.hooks.flags(), p.flags...)
	}
	var err error
	if p.outside {
		if s.nats, err = newNATS(ctx, m, dir); err != nil {
			return nil, errors.Join(err, s.close())
		}
		p.nats = s.nats.url()
	}
	if s.cluster, err = newCluster(dir, m, p.shape); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.populate(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// populate starts the nodes, the application and the clients.
func (s *stage) populate(ctx context.Context) error {
	if err := s.cluster.start(ctx); err != nil {
		return err
	}
	if s.plan.outside || s.plan.fresh {
		if err := s.cluster.enroll(ctx, s.plan.users()); err != nil {
			return err
		}
	}
	if s.plan.mode == modeDefault {
		var err error
		if s.hubs, err = startHubs(ctx, s); err != nil {
			return err
		}
	}
	s.crowd.rest = newRest(s.cluster.key, false)
	s.crowd.speaking.Store(true)
	living, leave := context.WithCancel(context.WithoutCancel(ctx))
	s.crowd.leave = leave
	for i := range s.plan.clients - s.plan.official {
		c := &client{stage: s, number: i, name: fmt.Sprintf("go%d", i), transport: link.Transport(i % int(link.Transports)), random: s.random(i)}
		s.crowd.clients.Go(func() { c.run(living) })
	}
	if s.plan.official > 0 {
		var err error
		if s.crowd.official, err = startNpm(s, s.plan.official, s.plan.stateful); err != nil {
			return err
		}
		s.crowd.clients.Go(func() { s.crowd.official.speak(living, s.random(-1)) })
	}
	if _, err := s.everybody(ctx); err != nil {
		return err
	}
	s.crowd.joins.Wait()
	s.startSending(ctx)
	return nil
}

func (s *stage) random(i int) *rand.Rand { return rand.New(rand.NewPCG(s.plan.seed, uint64(i))) }

// startSending starts the senders: one for each node, one that enters anywhere, and the hub servers.
func (s *stage) startSending(ctx context.Context) {
	sending, quiet := context.WithCancel(context.WithoutCancel(ctx))
	s.crowd.quiet = quiet
	if s.hubs != nil {
		s.crowd.sending.Go(func() { s.hubs.run(sending, s.plan.every) })
	}
	for i, n := range append([]*node{nil}, s.cluster.nodes...) {
		one := &sender{stage: s, node: n, rest: newRest(s.cluster.key, n != nil), random: s.random(-2 - i), every: s.plan.every}
		s.crowd.senders = append(s.crowd.senders, one)
		s.crowd.sending.Go(func() { one.run(sending) })
	}
}

// arrived takes a client in whose handshake was answered, and brings it into its group.
func (s *stage) arrived(who identity) *receiver {
	who.owner = auth.NodeOf(who.id)
	if !who.forwarded {
		// The node that accepts a WebSocket has the connection, whoever has given it its id.
		who.owner = s.cluster.balancer.owner(who.client)
	}
	who.standing = standingOf(who.user)
	s.tally.count("arrivals")
	r := s.checker.enter(who)
	s.crowd.joins.Go(func() { s.join(r) })
	return r
}

// arrivals is how often a client came in.
func (s *stage) arrivals() int {
	s.checker.mu.Lock()
	defer s.checker.mu.Unlock()
	return len(s.checker.receivers)
}

// joining bounds the way of a client into its group.
const joining = 15 * time.Second

// join makes the receiver a member of its group, by the application. As long as its connection lives it must
// succeed, or a fault is under way.
func (s *stage) join(r *receiver) {
	group := groupOf(int(r.who.id[0]))
	path := hubPath + "/groups/" + group + "/connections/" + r.who.id
	last := "no answer"
	err := until(context.Background(), joining, func() bool {
		if !r.living() {
			return true
		}
		status, err := s.crowd.rest.do(context.Background(), http.MethodPut, s.cluster.url(), path, nil)
		if err == nil && status == http.StatusOK {
			r.join(group)
			s.tally.count("joins")
			return true
		}
		last = fmt.Sprint(status, " ", err)
		s.tally.count("joins that were tried again")
		return false
	})
	if err != nil && !s.disturbed(joining) {
		s.checker.violate("calls", fmt.Sprintf("%v does not come into its group: %s", r.who, last))
	}
}

// call is the next call of a client, as a record.
func (s *stage) call(r *receiver) []byte {
	n := s.calls.next(r.who.id)
	call := map[string]any{"type": 1, "target": "Up", "arguments": []int{n}}
	if s.plan.mode == modeDefault {
		call["invocationId"] = fmt.Sprint(n)
	}
	text, err := json.Marshal(call)
	if err != nil {
		panic(err) // text and a number
	}
	return append(text, separator)
}

// answered takes the end of a call.
func (s *stage) answered(r *receiver, call string, failure *string) {
	switch n, err := strconv.Atoi(call); {
	case err != nil:
	case failure != nil:
		s.calls.fail(r.who.id, n)
	default:
		s.calls.taken(r.who.id, n)
	}
	switch {
	case failure == nil:
		s.tally.count("calls answered")
	case s.disturbed(requestTime) || !r.living():
		s.tally.count("calls that failed beside a fault")
	default:
		s.checker.violate("calls", fmt.Sprintf("call %s of %v: %s", call, r.who, *failure))
	}
}

// rest waits before a client comes back.
func (s *stage) rest(ctx context.Context, random *rand.Rand) {
	timer := time.NewTimer(50*time.Millisecond + time.Duration(random.IntN(250))*time.Millisecond)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// everybody waits until all clients are connected, and returns how long that took.
func (s *stage) everybody(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	err := until(ctx, comingTime, func() bool { return len(s.checker.living()) >= s.plan.clients })
	if err != nil {
		return 0, fmt.Errorf("%d of %d clients are connected: %w", len(s.checker.living()), s.plan.clients, err)
	}
	return time.Since(start), nil
}

// close ends everything.
func (s *stage) close() error {
	s.crowd.quiet()
	s.crowd.sending.Wait()
	if s.crowd.official != nil {
		s.crowd.official.close()
	}
	s.crowd.leave()
	s.crowd.clients.Wait()
	s.crowd.joins.Wait()
	if s.hubs != nil {
		s.hubs.close()
	}
	var err error
	if s.cluster != nil {
		err = s.cluster.close()
	}
	if s.nats != nil {
		s.nats.child.kill()
	}
	if s.hooks != nil {
		s.hooks.close()
	}
	return err
}
