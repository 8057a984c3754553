package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/bench/aspnethub"
)

const (
	// pingInterval is the keep-alive of the official clients.
	pingInterval = 15 * time.Second
	// pingSlices spreads the clients' pings over the interval.
	pingSlices = 60
	// stalledBuffer keeps what the kernel takes for a client that does not read small.
	stalledBuffer = 64 << 10
)

// run is one run's state.
type run struct {
	o        Options
	dialer   *dialer
	stamps   *stamper
	tracker  *tracker
	clients  []*client
	stalled  []*client
	received atomic.Uint64
	refused  atomic.Int64
	echoes   *echoes           // nil unless that is the load
	app      *aspnethub.Server // nil unless the clients are those of ASP.NET SignalR
	phase    atomic.Pointer[string]
	opened   atomic.Int64
	// ending is set when clients may go: from then on a lost one is no failure.
	ending atomic.Bool
	wg     sync.WaitGroup
}

// Run connects the clients, sends the load and disconnects. It returns an error
// if a client could not connect or was lost, or if a delivery did not arrive:
// figures of such a run would mean nothing.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	r := &run{
		o: o, dialer: newDialer(&o), stamps: newStamper(), tracker: newTracker(o.slots()),
		clients: make([]*client, o.Clients.Count), stalled: make([]*client, o.Clients.Stalled),
	}
	if o.Load.Kind == Echo {
		r.echoes = &echoes{run: r}
	}
	r.setPhase("connecting")
	ctx, fail := context.WithCancelCause(ctx)
	ending, stop := context.WithCancel(context.WithoutCancel(ctx))
	var helpers sync.WaitGroup
	if o.Progress != nil {
		helpers.Go(func() { r.progress(ending) })
	}
	report, err := r.phases(ctx, fail, ending, &helpers)
	r.ending.Store(true)
	stop()
	helpers.Wait()
	r.disconnect()
	fail(nil)
	return report, err
}

// phases do the run while helpers, which end with ending, accompany it.
func (r *run) phases(ctx context.Context, fail context.CancelCauseFunc, ending context.Context, helpers *sync.WaitGroup) (*Report, error) {
	if r.o.Target.Application != "" {
		app, err := r.application(ctx)
		if err != nil {
			return nil, err
		}
		r.app = app
		defer app.Close()
	}
	report := &Report{Target: r.o.Target.Endpoint.Redacted(), Clients: r.o.Clients, Floor: r.o.Target.Floor}
	memory, err := r.sample()
	if err != nil {
		return nil, err
	}
	report.Memory.Before = memory.Resident
	if report.Connect, err = r.connect(ctx, fail); err != nil {
		return nil, err
	}
	if memory, err = r.sample(); err != nil {
		return nil, err
	}
	report.Memory.Connected = memory.Resident
	helpers.Go(func() { r.ping(ending) })
	if p := r.o.Target.Peer; p != nil {
		if err := wait(ctx, p.Settle); err != nil {
			return nil, err
		}
	}
	if r.o.Load.Kind != Nothing {
		if report.Load, err = r.load(ctx); err != nil {
			return nil, err
		}
	}
	r.setPhase("idle")
	if err := wait(ctx, r.o.Load.Idle); err != nil {
		return nil, err
	}
	if memory, err = r.sample(); err != nil {
		return nil, err
	}
	report.Memory.finish(memory, r.o.Clients.Count+r.o.Clients.Stalled)
	r.setPhase("ending")
	r.ending.Store(true)
	report.Stalled = r.inspectStalled()
	return report, nil
}

func (r *run) setPhase(name string) { r.phase.Store(&name) }

func (r *run) sample() (Sample, error) {
	if r.o.PID == 0 {
		return Sample{}, nil
	}
	of := sampleProcess
	if r.o.Tree {
		of = sampleTree
	}
	s, err := of(r.o.PID)
	if err != nil {
		return Sample{}, fmt.Errorf("process %d: %w", r.o.PID, err)
	}
	return s, nil
}

// connect opens all clients and starts their readers.
func (r *run) connect(ctx context.Context, fail context.CancelCauseFunc) (ConnectReport, error) {
	before, err := r.sample()
	if err != nil {
		return ConnectReport{}, err
	}
	total := len(r.clients) + len(r.stalled)
	parallel := r.o.Clients.Parallel
	if parallel <= 0 || parallel > total {
		parallel = total
	}
	took := &histogram{}
	var next, failed atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range parallel {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < total && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				begun := time.Now()
				if err := r.connectOne(ctx, i, fail); err != nil {
					failed.Add(1)
					fail(fmt.Errorf("client %d: %w", i, err))
					return
				}
				took.add(time.Since(begun))
				r.opened.Add(1)
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	if ctx.Err() != nil {
		return ConnectReport{}, fmt.Errorf("%d of %d clients connected: %w", r.opened.Load(), total, context.Cause(ctx))
	}
	after, err := r.sample()
	return ConnectReport{
		Seconds: elapsed.Seconds(), PerSecond: float64(total) / elapsed.Seconds(), Latency: took.latency(),
		ServerCPU: (after.CPU - before.CPU) / time.Duration(total),
	}, err
}

// connectOne opens the client with number i; the stalled ones come last.
func (r *run) connectOne(ctx context.Context, i int, fail context.CancelCauseFunc) error {
	c, early, err := r.dialer.connect(ctx, userName(i))
	if err != nil {
		return err
	}
	if i >= len(r.clients) {
		if b, ok := c.conn.(interface{ SetReadBuffer(int) error }); ok {
			_ = b.SetReadBuffer(stalledBuffer) // a larger one only takes longer to fill
		}
		r.stalled[i-len(r.clients)] = c
		return nil
	}
	r.clients[i] = c
	r.wg.Go(func() {
		watch := observer{stamps: r.stamps, tracker: r.tracker, bytes: &r.received}
		if r.echoes != nil {
			watch.again = r.echoes.next
		}
		err := c.receive(early, watch)
		if !r.ending.Load() {
			fail(fmt.Errorf("client %d was lost: %w %s", i, err, c.closeText))
		}
	})
	return nil
}

// ping keeps the clients alive until ctx ends, a slice at a time.
func (r *run) ping(ctx context.Context) {
	if r.app != nil || r.o.Target.Peer != nil {
		return // in this generation only the gateway sends keep-alives; peers are told to want none
	}
	frame := pingFrame(r.o.Clients.Protocol)
	ticker := time.NewTicker(pingInterval / pingSlices)
	defer ticker.Stop()
	for slice := 0; ; slice = (slice + 1) % pingSlices {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for i := slice; i < len(r.clients); i += pingSlices {
			_ = r.clients[i].write(frame) // the reader reports a lost client
		}
	}
}

// disconnect ends all clients and waits for their readers.
func (r *run) disconnect() {
	for _, c := range r.clients {
		if c != nil {
			c.conn.Close()
		}
	}
	for _, c := range r.stalled {
		if c != nil {
			c.conn.Close()
		}
	}
	r.wg.Wait()
}

// inspectStalled reads what is left for the clients that did not read and
// counts those that the server has given up.
func (r *run) inspectStalled() StalledReport {
	var closed atomic.Int64
	var wg sync.WaitGroup
	for _, c := range r.stalled {
		wg.Go(func() {
			if c.ended(r.o.Clients.Timeout) {
				closed.Add(1)
			}
		})
	}
	wg.Wait()
	return StalledReport{Count: len(r.stalled), Closed: int(closed.Load())}
}

// ended reads until the connection ends or the time is over, and says which. The
// end may take a while: the server's last bytes come when its kernel next tries
// whether the client has room again.
func (c *client) ended(within time.Duration) bool {
	if err := c.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return true
	}
	buf := make([]byte, readBuffer)
	for {
		if _, err := c.conn.Read(buf); err != nil {
			return !errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
