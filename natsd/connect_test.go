package natsd

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// impatient is a server that pings each of its first clients before it answers it.
type impatient struct {
	nats.InProcessConnProvider
	pings int
}

func (i *impatient) InProcessConn() (net.Conn, error) {
	if i.pings == 0 {
		return i.InProcessConnProvider.InProcessConn()
	}
	i.pings--
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		_, _ = io.WriteString(server, "INFO {\"server_id\":\"x\",\"nonce\":\"abc\",\"auth_required\":true,\"max_payload\":1048576}\r\n")
		for lines := bufio.NewScanner(server); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "PING") {
				_, _ = io.WriteString(server, "PING\r\n") // the test sees what becomes of it
			}
		}
	}()
	return client, nil
}

// A machine may be so busy that the server pings this process before it has read the first answer.
func TestAServerThatPingsTooEarlyIsAskedAgain(t *testing.T) {
	n := launch(t, Options{Name: "alone"})
	conn, err := n.connectBy(t.Context(), &impatient{&n.current, connAttempts - 1}, n.users.node)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.Flush())
	_, err = n.connectBy(t.Context(), &impatient{&n.current, connAttempts}, n.users.node)
	require.ErrorContains(t, err, "got 'PING'")
}

// counted counts the connections to a server.
type counted struct {
	nats.InProcessConnProvider
	times int
}

func (c *counted) InProcessConn() (net.Conn, error) {
	c.times++
	return c.InProcessConnProvider.InProcessConn()
}

// Who has no time any more does not try again.
func TestAServerThatPingsTooLateIsNotAskedAgain(t *testing.T) {
	n := launch(t, Options{Name: "alone"})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	pings := &counted{InProcessConnProvider: &impatient{&n.current, connAttempts}}
	_, err := n.connectBy(over, pings, n.users.node)
	require.ErrorContains(t, err, "got 'PING'")
	require.Equal(t, 1, pings.times)
}
