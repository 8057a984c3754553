package main

import (
	"context"
	"log/slog"

	"github.com/hubgate/hubgate/internal/reasons"
)

// seeHandler gives lines with a reason the field see: where the page of all reasons explains it.
type seeHandler struct{ slog.Handler }

func (h seeHandler) Handle(ctx context.Context, r slog.Record) error {
	see := ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "reason" || a.Key == "result" {
			see = reasons.See(r.Message, a.Key, a.Value.String())
		}
		return see == ""
	})
	if see != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("see", "docs/errors.md#"+see))
	}
	return h.Handler.Handle(ctx, r)
}

func (h seeHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	return seeHandler{h.Handler.WithAttrs(attributes)}
}

func (h seeHandler) WithGroup(name string) slog.Handler {
	return seeHandler{h.Handler.WithGroup(name)}
}
