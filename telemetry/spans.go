package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

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
	bound   int64
	waiting atomic.Int64
	sent    atomic.Uint64
	dropped *counts.Counts[DropReason]
	// closing: no more are taken. over: nothing is sent any more.
	closing, over atomic.Bool
	sender        spanSender
}

// spanSender gives what waits in the queue to an exporter. To the SDK it never fails. Its methods are called by one
// goroutine at a time.
type spanSender struct {
	queue    *spans
	exporter sdk.SpanExporter
	sending  context.Context // ends what is being sent
	failed   func(what string, err error)
	told     uint64        // how many dropped ones of a full queue the log knows of
	ended    chan struct{} // closed when nothing is sent any more
}

func newSpans(exporter sdk.SpanExporter, sending context.Context, failed func(string, error)) (*spans, error) {
	bound, options, err := queueOptions()
	if err != nil {
		return nil, err
	}
	s := &spans{bound: int64(bound), dropped: counts.New(DropReasons)}
	s.sender = spanSender{queue: s, exporter: exporter, sending: sending, failed: failed, ended: make(chan struct{})}
	s.SpanProcessor = sdk.NewBatchSpanProcessor(&s.sender, options...)
	return s, nil
}

// queueOptions are how many spans may wait, and what else variables say of the queue. The SDK would take any number: it
// panics with a size below zero, and never rests with such a delay.
func queueOptions() (bound int, options []sdk.BatchSpanProcessorOption, err error) {
	bound, err1 := number("OTEL_BSP_MAX_QUEUE_SIZE", sdk.DefaultMaxQueueSize)
	batch, err2 := number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", sdk.DefaultMaxExportBatchSize)
	delay, err3 := milliseconds("OTEL_BSP_SCHEDULE_DELAY", sdk.DefaultScheduleDelay*time.Millisecond)
	timeout, err4 := milliseconds("OTEL_BSP_EXPORT_TIMEOUT", sdk.DefaultExportTimeout*time.Millisecond)
	return bound, []sdk.BatchSpanProcessorOption{
		sdk.WithMaxQueueSize(bound), sdk.WithMaxExportBatchSize(min(batch, bound)),
		sdk.WithBatchTimeout(delay), sdk.WithExportTimeout(timeout),
	}, errors.Join(err1, err2, err3, err4)
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

// Shutdown takes no more spans and sends those that wait.
func (s *spans) Shutdown(ctx context.Context) error {
	s.closing.Store(true)
	return s.SpanProcessor.Shutdown(ctx)
}

// ExportSpans implements sdk.SpanExporter.
func (e *spanSender) ExportSpans(ctx context.Context, batch []sdk.ReadOnlySpan) error {
	defer e.queue.waiting.Add(-int64(len(batch)))
	defer e.tellFull()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.sending, cancel)()
	e.sentAs(uint64(len(batch)), e.exporter.ExportSpans(ctx, batch))
	return nil
}

// sentAs counts what became of so many spans by the error that came of sending them.
func (e *spanSender) sentAs(all uint64, err error) {
	q := e.queue
	said, taken := errors.AsType[*rejection](err)
	switch {
	case err == nil:
		q.sent.Add(all)
	case taken:
		lost := min(said.items, all)
		q.sent.Add(all - lost)
		q.dropped.Add(DropRejected, lost)
		e.failed(string(DropRejected), said)
	case e.sending.Err() != nil:
		q.dropped.Add(DropShutdown, all)
	default:
		q.dropped.Add(DropFailed, all)
		e.failed(string(DropFailed), err)
	}
}

// tellFull has the log say how many spans found no room since it last did.
func (e *spanSender) tellFull() {
	if now := e.queue.dropped.Map()[DropQueueFull]; now > e.told {
		e.failed(string(DropQueueFull), fmt.Errorf("%d spans found no room, since %d waited", now-e.told, e.queue.bound))
		e.told = now
	}
}

// Shutdown implements sdk.SpanExporter. The SDK calls it behind the last ExportSpans.
func (e *spanSender) Shutdown(ctx context.Context) error {
	defer close(e.ended)
	e.tellFull()
	e.queue.over.Store(true)
	e.queue.settle()
	return e.exporter.Shutdown(ctx)
}
