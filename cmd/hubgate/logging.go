package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/secret"
)

// secretKeys are attributes whose values are never shown.
var secretKeys = map[string]bool{
	"token": true, "access_token": true, "accesstoken": true, "authorization": true,
	"key": true, "accesskey": true, "access_key": true, "connectionstring": true, "connection_string": true,
}

// newLogger makes the logger of the process. Packages keep secrets out of logs
// by type; what slips through is caught here.
func newLogger(w io.Writer, c config.Log) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: redactAttr}
	if c.Format == "json" {
		return slog.New(seeHandler{slog.NewJSONHandler(w, options)}), nil
	}
	return slog.New(seeHandler{slog.NewTextHandler(w, options)}), nil
}

func redactAttr(_ []string, a slog.Attr) slog.Attr {
	if secretKeys[strings.ToLower(a.Key)] {
		return slog.String(a.Key, secret.Redacted)
	}
	switch a.Value.Kind() {
	case slog.KindString:
		text := a.Value.String()
		if masked := secret.Mask(text); masked != text {
			a.Value = slog.StringValue(masked)
		}
	case slog.KindAny:
		// Errors and whatever else is printed by its own method. Durations,
		// times and numbers have kinds of their own.
		text := fmt.Sprint(a.Value.Any())
		if masked := secret.Mask(text); masked != text {
			a.Value = slog.StringValue(masked)
		}
	}
	return a
}
