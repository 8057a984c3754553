package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/webhook"
)

// unsafe are the doors that were opened on purpose, for whoever did not know.
func (s *server) unsafe() []string {
	var open []string
	current := s.live.load().source
	if exposed := s.config.Exposed(); len(exposed) > 0 && current.Keys.HasEmulatorKey() {
		open = append(open, fmt.Sprintf("%s can be reached from other machines with the emulator's access key, which everybody knows", strings.Join(exposed, ", ")))
	}
	if s.config.AdminExposed() {
		open = append(open, fmt.Sprintf("metrics and memory profiles at %s can be reached from other machines, without a token", s.config.Network.AdminListen))
	}
	if current.Upstream.AllowLinkLocal {
		open = append(open, "webhooks may go to link-local and cloud metadata addresses")
	}
	return open
}

// warn logs at the start what was probably not meant.
func (s *server) warn() {
	for _, open := range s.unsafe() {
		s.log.Warn("unsafe", "what", open)
	}
	if text := descriptorWarning(descriptorLimit(), s.live.load().source.Limits.MaxConnections); text != "" {
		s.log.Warn("few file descriptors", "what", text)
	}
	for _, text := range config.UnknownVariables(os.Environ(), connectionStringEnv) {
		s.log.Warn("a variable that is none of hubgate's", "variable", text)
	}
	s.warnTemplates(&s.live.load().source.Upstream)
}

// warnTemplates logs what looks like a placeholder with a typing error.
func (s *server) warnTemplates(u *settings.Upstream) {
	for i, t := range u.Templates {
		if braces := webhook.UnknownPlaceholders(t.URLTemplate); len(braces) > 0 {
			s.log.Warn("braces of a webhook's URL stand for nothing and stay as they are; there are {hub}, {category} and {event}",
				"template", i, "from", u.Source, "braces", braces)
		}
	}
}
