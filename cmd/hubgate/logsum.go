package main

import (
	"context"
	"log/slog"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/logsum"
	"github.com/hubgate/hubgate/internal/transport"
	"github.com/hubgate/hubgate/presence"
	"github.com/hubgate/hubgate/restapi"
	"github.com/hubgate/hubgate/servermode"
)

// summedLines are the lines that anybody can cause as often as the network
// carries requests, and those about each of many groups of a connection.
var summedLines = map[string]bool{
	transport.LogRefused: true, restapi.LogFailed: true, presence.LogFailed: true, servermode.LogRefused: true, gateway.LogNotJoined: true, gateway.LogRecordRefused: true,
}

// lineKind names lines that are alike. It holds nothing that callers choose. The
// zero kind is various.
type lineKind struct{ text, part, reason, operation string }

// sumRefusals returns a logger that writes the first refusal of a kind and then
// one line a minute with their number. At debug it writes every one. Stop writes
// the numbers that are left.
func sumRefusals(log *slog.Logger) (summing *slog.Logger, stop func()) {
	if log.Enabled(context.Background(), slog.LevelDebug) {
		return log, func() {}
	}
	lines := logsum.New(func(kind lineKind, times uint64) {
		attributes := []any{"part", kind.part, "reason", kind.reason, "operation", kind.operation}
		switch {
		case kind == lineKind{}:
			kind.text, attributes = "requests of various kinds refused", nil
		case kind.operation == "":
			attributes = attributes[:4]
		}
		log.Info(kind.text, append(attributes, "times", times)...)
	})
	return slog.New(&summingHandler{Handler: log.Handler(), lines: lines}), lines.Close
}

// summingHandler lets lines through, of summedLines the first of each kind.
type summingHandler struct {
	slog.Handler
	lines *logsum.Lines[lineKind]
	part  string
}

func (h *summingHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelError && summedLines[r.Message] && !h.lines.First(h.kind(r)) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h *summingHandler) kind(r slog.Record) lineKind {
	kind := lineKind{text: r.Message, part: h.part}
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "reason":
			kind.reason = a.Value.String()
		case "operation":
			kind.operation = a.Value.String()
		}
		return true
	})
	return kind
}

func (h *summingHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithAttrs(attributes)
	for _, a := range attributes {
		if a.Key == "part" {
			with.part = a.Value.String()
		}
	}
	return &with
}

func (h *summingHandler) WithGroup(name string) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithGroup(name)
	return &with
}
