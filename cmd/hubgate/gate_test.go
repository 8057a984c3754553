package main

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/settings"
)

// A hub, a user, a group or a connection may be called health. Only the health checks themselves pass by the gate.
func TestTheGateLetsOnlyHealthChecksPass(t *testing.T) {
	for path, kind := range map[string]string{
		"/api/health": "", "/api/v1/health": "", "/API/V1/Health/": "", "/api/he%61lth": "",
		"/api/v1/hubs/health": settings.RESTRequests, "/api/hubs/health": settings.RESTRequests, "/api/v1/hubs/chat/users/health": settings.RESTRequests,
		"/api/v1/hubs/chat/groups/health": settings.RESTRequests, "/api/hubs/chat/users/ann/groups/health": settings.RESTRequests,
		"/api/v1/hubs/chat/groups/g/connections/health": settings.RESTRequests, "/api/v1/hubs/chat/users/a%2Fhealth": settings.RESTRequests,
		"/api/health/health": settings.RESTRequests, "/api%2Fhealth": settings.RESTRequests, "/client/health": settings.ClientConnections,
	} {
		u, err := url.Parse("http://gateway.example" + path)
		require.NoError(t, err)
		require.Equal(t, kind, kindOf(u), path)
	}
}
