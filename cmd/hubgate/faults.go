package main

import (
	"errors"
	"net/http"
	"time"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/faults"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/settings"
)

// injectFaults lets operators inject faults into hubs that are marked for it.
func (s *server) injectFaults(hub *gateway.Gateway) {
	set := faults.New(faults.Options{
		Hubs: hub, Peers: s.nodes.peers(), Logger: s.log.With("part", partFaults),
		Marked: func(hub string) bool { return s.live.load().source.MayHaveFaults(hub) },
	})
	s.faults.Store(set)
	cancel := s.store.Observe(func(_, _ *settings.Settings) { set.Recheck() })
	s.built.add("faults", ignoreContext(func() { cancel(); set.Close() }))
	s.admin.WatchFaults(faultView{set}, func() map[string]uint64 { return byName(set.Counts()) })
}

// faultView is a Set in the words of the admin address.
type faultView struct{ set *faults.Set }

func (v faultView) List() []admin.Fault {
	var list []admin.Fault
	for _, f := range v.set.List() {
		list = append(list, faultOf(f))
	}
	return list
}

func (v faultView) Clear(hub, kind, by string) (int, error) {
	ended, err := v.set.Clear(hub, faults.Kind(kind), by)
	return ended, faultRefused(err)
}

func (v faultView) Set(f admin.Fault) (admin.Fault, error) {
	spec := faults.Spec{Hub: f.Hub, Kind: faults.Kind(f.Kind), Share: f.Share, By: f.By}
	for _, d := range []struct {
		field, text string
		to          *time.Duration
	}{{"delay", f.Delay, &spec.Delay}, {"every", f.Every, &spec.Every}, {"for", f.For, &spec.For}} {
		if d.text == "" {
			continue
		}
		var err error
		if *d.to, err = time.ParseDuration(d.text); err != nil {
			return f, &admin.Refused{Status: http.StatusBadRequest, Field: d.field, Text: "is no duration such as 250ms or 5m"}
		}
	}
	set, err := v.set.Set(spec)
	if err != nil {
		return f, faultRefused(err)
	}
	return faultOf(set), nil
}

// faultRefused is the error in the words of the admin address.
func faultRefused(err error) error {
	invalid, ok := errors.AsType[*faults.InvalidError](err)
	if !ok {
		return err
	}
	status := http.StatusBadRequest
	if errors.Is(err, faults.ErrNotMarked) {
		status = http.StatusForbidden
	}
	return &admin.Refused{Status: status, Field: invalid.Field, Text: invalid.Reason}
}

func faultOf(f faults.Fault) admin.Fault {
	text := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	return admin.Fault{
		Hub: f.Hub, Kind: string(f.Kind), Share: f.Share, Delay: text(f.Delay), Every: text(f.Every), For: text(f.For),
		Until: f.Until.UTC(), Hits: f.Hits, By: f.By,
	}
}
