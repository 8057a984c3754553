package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hubgate/hubgate/internal/watch"
)

// eventLine is an event as one line of text. Names that clients choose cannot bring a terminal into
// disorder.
func eventLine(e *watch.Event) string {
	l := new(lineWriter)
	l.word(e.Time.Local().Format("15:04:05.000"))
	l.word(fmt.Sprintf("%-10s", e.Kind))
	switch {
	case e.Connection != nil:
		l.connection(e)
	case e.Send != nil:
		l.send(e)
	case e.Webhook != nil:
		l.webhook(e)
	case e.Server != nil:
		l.server(e)
	case e.Lost != nil:
		l.word(fmt.Sprintf("%d events are not shown: %s", e.Lost.Events, plainText(string(e.Lost.Reason))))
	}
	l.pair("trace", e.Trace)
	l.pair("node", e.Node)
	return l.String()
}

type lineWriter struct{ strings.Builder }

// word writes text that is safe.
func (l *lineWriter) word(text string) {
	if l.Len() > 0 {
		l.WriteByte(' ')
	}
	l.WriteString(text)
}

// pair writes name=value, if there is a value.
func (l *lineWriter) pair(name, value string) {
	if value != "" {
		l.word(name + "=" + plainText(value))
	}
}

// client writes whose event it is.
func (l *lineWriter) client(e *watch.Event) {
	l.pair("hub", e.Hub)
	l.pair("user", e.User)
	l.pair("connection", e.ConnectionID)
}

func (l *lineWriter) connection(e *watch.Event) {
	l.word(string(e.What))
	l.client(e)
	c := e.Connection
	l.pair("transport", c.Transport)
	l.pair("protocol", c.Protocol)
	l.pair("remote", c.Remote)
	l.pair("reason", c.Reason)
	l.pair("text", c.Text)
}

func (l *lineWriter) send(e *watch.Event) {
	s := e.Send
	if s.Method == "" {
		l.word(fmt.Sprintf("(%d bytes)", s.Bytes))
	} else {
		l.word(plainText(s.Method) + arguments(s.Arguments))
	}
	l.pair("hub", e.Hub)
	to := s.To
	if len(s.Names) > 0 {
		names := make([]string, 0, len(s.Names))
		for _, name := range s.Names {
			names = append(names, plainText(name))
		}
		to += ":" + strings.Join(names, ",")
	}
	if s.More > 0 {
		to += fmt.Sprintf(",+%d", s.More)
	}
	l.word("to=" + to)
	if s.Except > 0 {
		l.word(fmt.Sprintf("except=%d", s.Except))
	}
	l.word(fmt.Sprintf("by=%s matched=%d written=%d queued=%d dropped=%d", plainText(s.By), s.Matched, s.Written, s.Queued, s.Dropped))
}

func (l *lineWriter) webhook(e *watch.Event) {
	w := e.Webhook
	l.word(plainText(w.Event))
	if e.What == watch.WhatSkipped {
		l.word("not called")
	}
	l.pair("result", w.Result)
	if w.Status != 0 {
		l.word("status=" + strconv.Itoa(w.Status))
	}
	if w.Took > 0 {
		l.pair("took", roundTime(w.Took).String())
	}
	l.client(e)
	l.pair("url", w.URL)
	l.pair("error", w.Error)
}

func (l *lineWriter) server(e *watch.Event) {
	l.word(string(e.What))
	l.pair("hub", e.Hub)
	s := e.Server
	l.pair("kind", s.Kind)
	l.pair("id", s.ID)
	l.pair("agent", s.Agent)
	l.pair("remote", s.Remote)
	l.pair("reason", s.Reason)
	if s.Reason != "" {
		l.word("clients=" + strconv.Itoa(s.Clients))
	}
}

// roundTime leaves three digits of a time.
func roundTime(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

// maxArguments bounds the arguments in one line, in bytes.
const maxArguments = 80

// arguments are a JSON array as the arguments of a call.
func arguments(array string) string {
	text := strings.TrimSuffix(strings.TrimPrefix(array, "["), "]")
	if len(text) > maxArguments {
		text = strings.ToValidUTF8(text[:maxArguments], "") + "…"
	}
	text = defused(text, "")
	return "(" + text + ")"
}

// defused is text with whatever is unsafe replaced by U+FFFD, but for the characters to keep.
func defused(text, keep string) string {
	return strings.Map(func(r rune) rune {
		if isUnsafe(r) && !strings.ContainsRune(keep, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// plainText is text as it is, or quoted if it has spaces or what a terminal does not print.
func plainText(text string) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r == ' ' || r == '"' || isUnsafe(r) }) {
		return strconv.QuoteToGraphic(text)
	}
	return text
}

// isUnsafe is what may move a terminal's cursor or change what it shows.
func isUnsafe(r rune) bool {
	return r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r)
}
