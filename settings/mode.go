package settings

import (
	"strings"

	"github.com/hubgate/hubgate/hubname"
)

// Mode is the service mode: who answers what clients send.
type Mode string

const (
	// DefaultMode gives clients to hub servers and refuses them while there is none.
	DefaultMode Mode = "default"
	// Serverless hands what clients send to upstream webhooks.
	Serverless Mode = "serverless"
	// Classic decides for each client when it connects: a hub server if one is
	// connected, else nobody.
	Classic Mode = "classic"
)

// Modes lists all modes.
func Modes() []Mode { return []Mode{DefaultMode, Serverless, Classic} }

// Hub is what may be different for one hub.
type Hub struct {
	Mode Mode // empty: that of the gateway
	// Faults permits to inject faults into it, to test its clients.
	Faults bool
}

// ModeOf returns the service mode of a hub: its own, else the gateway's. The
// hub is named by its key, with the application's name in front if there is
// one ("app_chat"), in any letter case. The key of an application of ASP.NET SignalR
// ("aspnet:app") has the mode of the application's name.
func (s *Settings) ModeOf(hub string) Mode {
	if len(s.Hubs) > 0 {
		if application, ok := hubname.Application(hub); ok {
			hub = application
		}
		if own := s.Hubs[strings.ToLower(hub)].Mode; own != "" {
			return own
		}
	}
	return s.Mode
}

// MayHaveFaults says whether faults may be injected into a hub, which is named as for ModeOf.
func (s *Settings) MayHaveFaults(hub string) bool {
	if len(s.Hubs) == 0 {
		return false
	}
	if application, ok := hubname.Application(hub); ok {
		hub = application
	}
	return s.Hubs[strings.ToLower(hub)].Faults
}

// SameModes says whether every hub has the same mode in both.
func (s *Settings) SameModes(other *Settings) bool {
	if s.Mode != other.Mode {
		return false
	}
	for _, hubs := range []map[string]Hub{s.Hubs, other.Hubs} {
		for hub := range hubs {
			if s.ModeOf(hub) != other.ModeOf(hub) {
				return false
			}
		}
	}
	return true
}

// HasMode says whether the gateway or some hub is in that mode.
func (s *Settings) HasMode(mode Mode) bool {
	if s.Mode == mode {
		return true
	}
	for _, hub := range s.Hubs {
		if hub.Mode == mode {
			return true
		}
	}
	return false
}
