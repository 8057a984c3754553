package hubgate

import (
	"errors"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every call to a gateway in which nobody is connected.
func TestAtAGateway(t *testing.T) {
	connection := os.Getenv("HUBGATE_TEST_CONNECTION_STRING")
	if connection == "" {
		t.Skip("HUBGATE_TEST_CONNECTION_STRING names no gateway")
	}
	h, err := New("Chat", connection)
	require.NoError(t, err)
	ctx := t.Context()
	for name, err := range map[string]error{
		"all": h.SendToAll(ctx, "say", "hi"), "user": h.SendToUser(ctx, "a/b ü", "say"), "group": h.SendToGroup(ctx, "red", "say", 1),
		"connection": h.SendToConnection(ctx, "nobody", "say"), "add a user": h.AddUserToGroup(ctx, "a/b ü", "red"),
		"close": h.CloseConnection(ctx, "nobody", "bye bye"), "close a user": h.CloseUser(ctx, "ann", ""), "close a group": h.CloseGroup(ctx, "red", "x"),
		"remove": h.RemoveFromGroup(ctx, "nobody", "red"),
	} {
		var status *StatusError
		if errors.As(err, &status) && status.Status == http.StatusNotFound {
			continue // nobody is there
		}
		require.NoError(t, err, name)
	}
	in, err := h.UserInGroup(ctx, "a/b ü", "red")
	require.NoError(t, err)
	require.True(t, in)
	require.NoError(t, h.RemoveUserFromGroup(ctx, "a/b ü", "red"))
	in, err = h.UserInGroup(ctx, "a/b ü", "red")
	require.NoError(t, err)
	require.False(t, in)
	exists, err := h.UserExists(ctx, "ann")
	require.NoError(t, err)
	require.False(t, exists)
	for member, err := range h.ListGroup(ctx, "red") {
		require.NoError(t, err)
		t.Error(member)
	}
	var status *StatusError
	require.ErrorAs(t, h.Invoke(ctx, "nobody", nil, "ask"), &status)
	require.Equal(t, http.StatusNotFound, status.Status)

	stranger, err := New("chat", "Endpoint="+h.at.serverEndpoint+";AccessKey=another-key-another-key-another-key")
	require.NoError(t, err)
	require.ErrorAs(t, stranger.SendToAll(ctx, "say"), &status)
	require.Equal(t, http.StatusUnauthorized, status.Status)
}
