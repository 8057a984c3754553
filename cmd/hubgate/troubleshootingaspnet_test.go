package main

import (
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// The mistakes of docs/troubleshooting.md about ASP.NET SignalR.

// negotiateAspNet negotiates as a client of an application, with more in the query.
func negotiateAspNet(application string, query url.Values, args ...string) mistake {
	return func(t *testing.T) func() string {
		p := start(t, args...)
		c := &aspnetClient{p: p, token: p.aspnetToken(application, "ann")}
		return p.saw(c.get("negotiate", query))
	}
}

func connectAspNetServer(t *testing.T) func() string {
	p := start(t)
	_, err := p.tryAspNetApplication("app")
	return p.saw(err)
}

func connectAspNetWithoutServer(t *testing.T) func() string {
	p := start(t, "--mode=default")
	c := p.aspnet("app", "ann")
	return p.saw(c.post("connect", "longPolling", nil))
}

// connectAspNetToUnknownHub has a server that answers as the SDK does.
func connectAspNetToUnknownHub(t *testing.T) func() string {
	p := start(t, "--mode=default")
	app := p.aspnetApplication("app")
	c := p.aspnet("app", "ann").open()
	require.NoError(t, app.Drop(app.want("opened"), "'chatt' Hub could not be resolved."))
	defer c.conn.Close() // the line comes with the end of the transport
	return p.saw(c.next())
}

func comeBackAspNet(t *testing.T) func() string {
	p := start(t, "--mode=default")
	p.aspnetApplication("app")
	c := p.aspnet("app", "ann").open()
	status, _ := c.post("abort", "webSockets", nil)
	require.Equal(t, 200, status)
	_, _, err := c.conn.ReadMessage()
	require.Error(t, err)
	c.socket("reconnect", url.Values{"messageId": {c.cursor}})
	seen := p.saw(c.next())
	c.negotiated["ConnectionToken"] = "of the gateway before its restart"
	c.socket("reconnect", url.Values{"messageId": {c.cursor}})
	require.Contains(t, c.next(), "The connection has ended. Start a new one.")
	return seen
}

func pingWithOldToken(t *testing.T) func() string {
	p := start(t, "--mode=default")
	old, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"aud": p.URL + auth.AspNetClientPath, "exp": time.Now().Add(-time.Hour).Unix(), "asrs.s.apn": "app",
	}).SignedString([]byte(auth.EmulatorKey.Reveal()))
	require.NoError(t, err)
	c := &aspnetClient{p: p, token: old}
	return p.saw(c.get("ping", nil))
}
