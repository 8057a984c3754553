package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// isolatedTime bounds the time until a node that is cut off takes no clients any more.
	isolatedTime = 15*time.Second + margin
	// claimedTime bounds the time until the others have told of the end of its clients.
	claimedTime = 35 * time.Second
)

// longPartition cuts one node off for longer than its lease lasts. It closes its clients, which go to the others;
// these tell of the ends of those that it had. When it comes back nothing is told a second time.
func longPartition(ctx context.Context, s *stage) error {
	one := s.cluster.nodes[2]
	f := s.fault("partition of "+one.name, acrossSides(one.name))
	start := time.Now()
	ids := s.livingOn(one)
	s.cluster.partition(one)
	if err := until(ctx, isolatedTime, func() bool { return !one.isReady(ctx) }); err != nil {
		s.checker.violate("readiness", fmt.Sprintf("%s alone still says that it is ready: %v", one.name, err))
	} else {
		s.report.note("%s is not ready after %v", one.name, time.Since(start).Round(time.Millisecond))
	}
	told, err := s.told(ctx, ids)
	s.report.note("the ends of %d of %d clients of %s were told after %v", told, len(ids), one.name, time.Since(start).Round(time.Millisecond))
	if err != nil {
		s.checker.violate("events", fmt.Sprintf("%d of %d ends are not told: %v", len(ids)-told, len(ids), err))
	}
	if err := s.flow(ctx, 2); err != nil {
		return err
	}
	return s.healed(ctx, f)
}
