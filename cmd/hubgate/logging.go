package main

import (
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/secret"
)

// secretKeys are attributes whose values are never shown.
var secretKeys = map[string]bool{
	"token": true, "access_token": true, "accesstoken": true, "authorization": true,
	"key": true, "accesskey": true, "access_key": true, "connectionstring": true, "connection_string": true,
}

// secretText finds secrets inside longer text: values of the query parameters
// access_token and code, bearer tokens, JSON web tokens, keys in connection
// strings.
var secretText = regexp.MustCompile(`(?i)((?:access_token|code|accesskey)=|bearer\s+)[^\s&;"']+|\beyJ[\w-]+\.[\w-]+\.[\w-]*`)

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
		if text := a.Value.String(); mayHoldSecret(text) {
			a.Value = slog.StringValue(redactText(text))
		}
	case slog.KindAny:
		// Errors and whatever else is printed by its own method. Durations,
		// times and numbers have kinds of their own.
		if text := fmt.Sprint(a.Value.Any()); mayHoldSecret(text) {
			a.Value = slog.StringValue(redactText(text))
		}
	}
	return a
}

// mayHoldSecret is the cheap test that nearly every value stops at.
func mayHoldSecret(text string) bool {
	return strings.ContainsRune(text, '=') || strings.Contains(text, "eyJ") || containsFold(text, "bearer")
}

func containsFold(text, lower string) bool {
	for i := 0; i+len(lower) <= len(text); i++ {
		if strings.EqualFold(text[i:i+len(lower)], lower) {
			return true
		}
	}
	return false
}

func redactText(text string) string { return secretText.ReplaceAllString(text, "${1}"+secret.Redacted) }
