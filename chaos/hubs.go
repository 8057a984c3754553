package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hubgate/hubgate/hubserver"
)

// hubs are the hub servers of a hub in Default mode. Each connects through the balancer.
type hubs struct {
	stage   *stage
	servers []*hubserver.Server
	hubs    []*hubserver.Hub
	log     *os.File
	serving sync.WaitGroup
}

const hubServerCount = 2

func startHubs(ctx context.Context, s *stage) (*hubs, error) {
	h := &hubs{stage: s}
	gateway, err := hubserver.ParseConnectionString("Endpoint=" + s.cluster.url() + ";AccessKey=" + s.cluster.key + ";Version=1.0;")
	if err != nil {
		return nil, err
	}
	if h.log, err = os.Create(filepath.Join(s.cluster.dir, "hubservers.log")); err != nil {
		return nil, err
	}
	for i := range hubServerCount {
		hub := h.hub()
		server := hubserver.NewServer(gateway, hub)
		server.ServerID = fmt.Sprintf("s%d", i+1)
		server.Logger = slog.New(slog.NewTextHandler(h.log, nil))
		h.servers, h.hubs = append(h.servers, server), append(h.hubs, hub)
		h.serving.Go(func() {
			if err := server.Serve(context.Background()); !errors.Is(err, hubserver.ErrServerClosed) {
				s.checker.violate("harness", "a hub server ends: "+err.Error())
			}
		})
	}
	for _, server := range h.servers {
		bound, cancel := context.WithTimeout(ctx, startTime)
		err := server.Ready(bound)
		cancel()
		if err != nil {
			h.close()
			return nil, fmt.Errorf("a hub server is not ready: %w", err)
		}
	}
	return h, nil
}

func (h *hubs) hub() *hubserver.Hub {
	hub := hubserver.NewHub(hubName)
	hub.Handle("Up", func(ctx *hubserver.Context, n int) { h.stage.calls.receive(ctx.ConnectionID(), n) })
	return hub
}

// run has each hub server send numbered messages to all until ctx ends.
func (h *hubs) run(ctx context.Context, every time.Duration) {
	var all sync.WaitGroup
	for i, hub := range h.hubs {
		all.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					h.send(h.servers[i].ServerID, hub)
				}
			}
		})
	}
	all.Wait()
}

// send sends the next number of a hub server. Order is promised among the same receivers, while nothing is
// broken: a connection to the gateway that is lost takes the order with it, and so each fault begins other
// origins.
func (h *hubs) send(server string, hub *hubserver.Hub) {
	to, receivers := target{kind: toAll}, hub.Clients().All()
	if rand.IntN(3) == 0 {
		to = target{toGroup, groupOf(rand.IntN(groupCount))}
		receivers = hub.Clients().InGroup(to.name)
	}
	era, calm := h.stage.era()
	name := fmt.Sprintf("%s.%d.%s", server, era, to.name)
	o := h.stage.checker.send(name, "", calm)
	n := o.next(to)
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	if err := receivers.Send(ctx, "n", name, n); err != nil {
		o.answer(n, refused)
		return
	}
	o.answer(n, accepted)
}

func (h *hubs) close() {
	for _, server := range h.servers {
		bound, cancel := context.WithTimeout(context.Background(), leaving)
		if err := server.Shutdown(bound); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			h.stage.checker.violate("harness", "shutdown of a hub server: "+err.Error())
		}
		cancel()
	}
	h.serving.Wait()
	_ = h.log.Close()
}
