package main

import (
	"github.com/hubgate/hubgate/arm"
	"github.com/hubgate/hubgate/gateway"
)

// serveARM serves Azure's resource API, if it is to be.
func (s *server) serveARM(hub *gateway.Gateway) error {
	addresses, err := s.config.ARMAddresses()
	if err != nil || len(addresses) == 0 {
		return usage(err)
	}
	cert := s.web.cert
	if file := s.config.ARM.TestCertificate; file != "" {
		if cert, err = testCertificate(file, addresses); err != nil {
			return usage(err)
		}
	}
	listeners, err := s.listen(addresses, armFlag)
	if err != nil {
		return err
	}
	scheme := "https://"
	if cert == nil {
		scheme = "http://"
		s.log.Warn("the resource API is served without TLS", "part", partARM)
	}
	s.serve("resource API", s.newARM(hub), listeners, cert, nil)
	s.log.Info("resource API", "part", partARM, "at", scheme+reachable(listeners[0].Addr().String())+"/", "subscription", s.config.ARM.Subscription, "tenant", s.config.ARM.Tenant)
	return nil
}

func (s *server) newARM(hub *gateway.Gateway) *arm.Handler {
	return arm.New(arm.Options{
		Settings: s.managed.service,
		Place:    arm.Place{Subscription: s.config.ARM.Subscription, Tenant: s.config.ARM.Tenant},
		Admits:   s.managed.guard.Admits,
		Here:     s.managed.guard.FromHere,
		Seed:     s.managed.guard.Token,
		Endpoint: func() string { return s.endpoints.URL },
		Usage: func() (connections, limit int) {
			for _, h := range hub.Stats().Hubs {
				connections += h.Connections
			}
			return connections, s.store.Current().Limits.MaxConnections
		},
		Literal: s.config.ARM.LiteralAccess,
		Logger:  s.log.With("part", partARM),
	})
}
