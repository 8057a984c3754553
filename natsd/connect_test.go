package natsd

import (
	"bufio"
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
	conn, err := n.connectBy(&impatient{&n.current, connAttempts - 1}, n.users.node)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.Flush())
	_, err = n.connectBy(&impatient{&n.current, connAttempts}, n.users.node)
	require.ErrorContains(t, err, "got 'PING'")
}
