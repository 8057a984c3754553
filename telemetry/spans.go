package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/hubgate/hubgate/internal/counts"
)

// DropReason is why a span was not sent. The list is closed.
type DropReason string

const (
	// DropQueueFull: too many spans waited for the collector.
	DropQueueFull DropReason = "QueueFull"
	// DropFailed: the collector could not be reached, did not answer, or answered with an error.
	DropFailed DropReason = "Failed"
	// DropRejected: the collector has taken others of the same request, and not this one.
	DropRejected DropReason = "Rejected"
	// DropShutdown: the gateway has ended before the collector had taken it.
	DropShutdown DropReason = "Shutdown"
)

// DropReasons lists every DropReason, for metrics that start at zero.
var DropReasons = []DropReason{DropQueueFull, DropFailed, DropRejected, DropShutdown}

// spans is the queue of spans that have ended. It is the SDK's, whose bound is kept here, where what finds no room
// can be counted.
type spans struct {
	sdk.SpanProcessor
	exporter sdk.SpanExporter
	sending  context.Context // ends what is being sent
	bound    int64
	waiting  atomic.Int64
	sent     atomic.Uint64
	dropped  *counts.Counts[DropReason]
	closing  atomic.Bool
	over     atomic.Bool // nothing is sent any more
	told     uint64      // how many dropped ones of a full queue the log knows of
	failed   func(what string, err error)
	// ended is closed when nothing is sent any more.
	ended chan struct{}
}

func newSpans(exporter sdk.SpanExporter, sending context.Context, bound int, failed func(string, error)) *spans {
	s := &spans{
		exporter: exporter, sending: sending, bound: int64(bound), dropped: counts.New(DropReasons), failed: failed, ended: make(chan struct{}),
	}
	s.SpanProcessor = sdk.NewBatchSpanProcessor(spanExporter{s}, sdk.WithMaxQueueSize(bound))
	return s
}

// OnEnd takes a span into the queue.
func (s *spans) OnEnd(span sdk.ReadOnlySpan) {
	switch {
	case !span.SpanContext().IsSampled():
		return
	case s.closing.Load():
		s.dropped.Add(DropShutdown, 1)
		return
	case s.waiting.Add(1) > s.bound:
		s.waiting.Add(-1)
		s.dropped.Add(DropQueueFull, 1)
		return // the log is told later: who ends a span may hold locks
	}
	s.SpanProcessor.OnEnd(span)
	if s.over.Load() {
		s.settle()
	}
}

// settle counts what came so late that nobody sends it.
func (s *spans) settle() {
	if left := s.waiting.Swap(0); left > 0 {
		s.dropped.Add(DropShutdown, uint64(left))
	}
}

// tellFull has the log say how many spans found no room since it last did. It is called by one goroutine at a time.
func (s *spans) tellFull() {
	if now := s.dropped.Map()[DropQueueFull]; now > s.told {
		s.failed(string(DropQueueFull), fmt.Errorf("%d spans found no room, since %d waited", now-s.told, s.bound))
		s.told = now
	}
}

// Shutdown takes no more spans and sends those that wait.
func (s *spans) Shutdown(ctx context.Context) error {
	s.closing.Store(true)
	return s.SpanProcessor.Shutdown(ctx)
}

// spanExporter counts what becomes of spans. To the SDK it never fails.
type spanExporter struct{ *spans }

// ExportSpans implements sdk.SpanExporter.
func (e spanExporter) ExportSpans(ctx context.Context, batch []sdk.ReadOnlySpan) error {
	defer e.waiting.Add(-int64(len(batch)))
	defer e.tellFull()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.sending, cancel)()
	err := e.exporter.ExportSpans(ctx, batch)
	all := uint64(len(batch))
	said, taken := errors.AsType[*rejection](err)
	switch {
	case err == nil:
		e.sent.Add(all)
	case taken:
		lost := min(said.items, all)
		e.sent.Add(all - lost)
		e.dropped.Add(DropRejected, lost)
		e.failed(string(DropRejected), said)
	case e.sending.Err() != nil:
		e.dropped.Add(DropShutdown, all)
	default:
		e.dropped.Add(DropFailed, all)
		e.failed(string(DropFailed), err)
	}
	return nil
}

// Shutdown implements sdk.SpanExporter. The SDK calls it behind the last ExportSpans.
func (e spanExporter) Shutdown(ctx context.Context) error {
	defer close(e.ended)
	e.tellFull()
	e.over.Store(true)
	e.settle()
	return e.exporter.Shutdown(ctx)
}
