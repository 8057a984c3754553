package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/management"
	"github.com/hubgate/hubgate/secret"
)

// openAdmin has the admin address manage the gateway.
func (s *server) openAdmin(hub *gateway.Gateway, verifier *auth.Verifier) error {
	sessions, err := admin.NewSessions(s.nodes.keys.sessions, s.nodes.peers())
	if err != nil {
		return err
	}
	s.built.add("sessions of browsers", ignoreContext(sessions.Close))
	s.built.add("what all nodes show", ignoreContext(s.admin.JoinNodes(s.config.Network.Node, s.nodes.peers())))
	s.managed.guard.Sessions = sessions
	s.managed.guard.Other = func(token string) (string, error) { return s.otherManager(verifier, token) }
	began := time.Now()
	s.admin.WatchManagement(&admin.Management{
		Settings: s.managed.service, Guard: s.managed.guard, Import: importSettings,
		Overview: func(ctx context.Context) any { return s.overview(ctx, hub, began) },
	})
	return nil
}

// newGuard reads the admin token, or makes one for this run.
func (s *server) newGuard() error {
	token, err := s.config.AdminToken()
	if err != nil {
		return usage(err)
	}
	s.managed.tokenMade = token == ""
	if s.managed.tokenMade {
		token = secret.Text(rand.Text())
	}
	s.managed.guard = &admin.Guard{Token: token, AllowPlain: s.config.Admin.AllowPlain}
	return nil
}

// otherManager returns who may manage with a token that is not the admin token: of an issuer, with a claim of
// admin.oidcClaims, or of an access key, if nobody has set an admin token.
func (s *server) otherManager(verifier *auth.Verifier, token string) (string, error) {
	if !strings.Contains(token, ".") {
		return "", errors.New("the admin token is wrong")
	}
	err := verifier.Admin(token, admin.LiveResource)
	if refused, ok := errors.AsType[*auth.TokenError](err); ok {
		if refused.Failure == auth.TokenIssuerDown {
			return "", fmt.Errorf("%w: %s", admin.ErrUndecided, refused.Description())
		}
		return "", errors.New("neither the admin token nor a good token of a manager: " + refused.Description())
	}
	if err != nil {
		return "", err
	}
	switch caller := verifier.Caller(token); caller {
	case auth.CallerPrimary, auth.CallerSecondary:
		if !s.managed.tokenMade {
			return "", errors.New("this needs the admin token: an access key does not manage the gateway, since admin.token is set")
		}
		return "access key", nil
	default:
		for _, claim := range verifier.TokenClaims(token) {
			if slices.Contains(s.config.Admin.OIDCClaims, claim.Type+"="+claim.Value) {
				return caller, nil
			}
		}
	}
	return "", errors.New("the token has none of the claims of admin.oidcClaims")
}

// importSettings reads what can be imported.
func importSettings(text []byte) (func(*management.Document) error, []string, error) {
	found, ignored, isOfEmulator, err := config.ImportSettingsFile(text)
	if !isOfEmulator {
		return management.Import(text)
	}
	if err != nil {
		return nil, nil, &management.InvalidError{Fields: []management.Field{{Reason: err.Error()}}}
	}
	return management.ImportTemplates(management.TemplatesOf(found)), ignored, nil
}

// overview is what the first page of the portal shows.
func (s *server) overview(ctx context.Context, hub *gateway.Gateway, began time.Time) any {
	stats := hub.Stats()
	current := s.store.Current()
	v, err := s.managed.service.Current(ctx)
	connections := 0
	for _, h := range stats.Hubs {
		connections += h.Connections
	}
	o := map[string]any{
		"version": version(), "node": s.config.Network.Node, "url": s.endpoints.URL, "started": began.UTC(),
		"mode": modeName(current.Mode), "revision": v.Revision, "kept": s.managed.kept, "clustered": s.config.Clustered(),
		"stopped": current.Access.Stopped, "connections": connections, "elsewhere": hub.OthersConnections(), "hubs": len(stats.Hubs), "draining": hub.Draining(),
	}
	if err != nil {
		o["error"] = fmt.Sprint(err)
	}
	return o
}
