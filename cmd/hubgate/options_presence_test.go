package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// Effects on those who ask who is connected.
var presenceEffects = map[string]func(*testing.T) effect{
	"presence-access": func(*testing.T) effect {
		return effect{unusual: "claim", before: "200", after: "403", see: func(t *testing.T, p *program) string {
			url := p.URL + "/hubgate/v1/hubs/chat/users"
			token, err := auth.SignREST(auth.EmulatorKey, url, time.Minute)
			require.NoError(t, err)
			return p.status(http.MethodGet, url, "", "Authorization", "Bearer "+token)
		}}
	},
}
