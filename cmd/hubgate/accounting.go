package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/azurelog"
	"github.com/hubgate/hubgate/internal/flight"
	"github.com/hubgate/hubgate/internal/logsum"
	"github.com/hubgate/hubgate/internal/transport"
	"github.com/hubgate/hubgate/livetrace"
	"github.com/hubgate/hubgate/resourcelog"
	"github.com/hubgate/hubgate/settings"
)

// newAccount makes what keeps what happens, and those who follow it.
func (s *server) newAccount() (*account, error) {
	c := &s.config.Recorder
	a := &account{payloads: c.Payloads}
	if c.Recorder > 0 {
		a.ring = flight.New(int(c.Recorder))
	}
	a.live = livetrace.New(livetrace.Options{
		Enabled: func() bool { return s.live.load().source.Trace.Live },
		Wants:   func(of azurelog.Category) bool { return wantsCategory(s.live.load().source.Trace.LiveCategories, of) },
		Verify:  func(token string) error { return s.verifyLiveTrace(token) },
		Admits: func(r *http.Request) bool {
			return s.live.load().gate.refuses(settings.TraceConnections, transport.ClientAddr(r, s.config.Proxies())) == ""
		},
		Logger: s.log.With("part", partTrace),
	})
	s.built.add("live trace", ignoreContext(a.live.Close))
	if c.Logs == "" {
		return a, nil
	}
	lines := logsum.New(func(reason string, times uint64) {
		s.log.Warn("resource logs could not be written", "error", reason, "times", times)
	})
	s.built.add("summed up failures of resource logs", ignoreContext(lines.Close))
	log, err := resourcelog.Open(resourcelog.Options{
		Path: c.Logs, Stdout: os.Stdout, MaxBytes: int64(c.LogBytes), Keep: keptLogs, Resource: "/hubgate/" + s.config.Network.Node,
		Wants: func(of azurelog.Category) bool { return wantsCategory(s.live.load().source.Trace.LogCategories, of) },
		Failed: func(err error) {
			if lines.First(err.Error()) {
				s.log.Error("resource logs cannot be written", "error", err)
			}
		},
	})
	if err != nil {
		return nil, usage(fmt.Errorf("trace.logs: %w", err))
	}
	a.log = log
	s.built.add("resource logs", ignoreContext(log.Close))
	return a, nil
}

// followers counts those who follow what happens.
func (a *account) followers() admin.Followers {
	s := a.live.Stats()
	f := admin.Followers{Watching: s.Watching, Opened: s.Opened, Closed: s.Closed, Dropped: s.Dropped, Ended: s.Ended, Bytes: s.Bytes, Messages: s.Messages, Missed: s.Missed}
	if a.log != nil {
		f.LogsWritten, f.LogsLost = a.log.Counts()
	}
	return f
}

// keptLogs is how many former files of resource logs stay.
const keptLogs = 3

// wantsCategory says whether a category is among those that the settings name; if they name none, it is.
func wantsCategory(named []string, of azurelog.Category) bool {
	return named == nil || slices.Contains(named, string(of))
}

// verifyLiveTrace accepts tokens for live trace, also of issuers whose tokens are good for all of REST.
func (s *server) verifyLiveTrace(token string) error {
	if token == "" {
		return &auth.TokenError{Failure: auth.TokenMissing}
	}
	return s.verifier.REST(token, http.MethodPost, livetrace.Path, "")
}
