package freeport

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain is a process that takes a port and says so, if it is asked to.
func TestMain(m *testing.M) {
	if os.Getenv("FREEPORT_CHILD") == "" {
		os.Exit(m.Run())
	}
	address, err := Take()
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(address + "\n")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the test ends
}

func TestTake(t *testing.T) {
	t.Parallel()
	seen, others := make(map[string]bool), 0
	for range 50 {
		address, err := Take()
		require.NoError(t, err)
		require.False(t, seen[address], "it was taken: %s", address)
		seen[address] = true
		l, err := net.Listen("tcp", address)
		if err != nil {
			others++ // a program that does not look here
			continue
		}
		require.NoError(t, l.Close())
	}
	require.Less(t, others, 5)
}

// What another process has taken is seen by all, though nobody listens there.
func TestTakenByAnotherProcess(t *testing.T) {
	t.Parallel()
	for name, cmd := range map[string]*exec.Cmd{
		"Go":   exec.Command(os.Args[0]),
		"Node": exec.Command("node", "--input-type=module", "-e", "import { freePort } from './freeport.mjs'; console.log(`127.0.0.1:${await freePort()}`); process.stdin.once('end', () => process.exit()).resume()"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(cmd.Args[0]); err != nil {
				t.Skip(err)
			}
			cmd.Env = append(os.Environ(), "FREEPORT_CHILD=1")
			in, err := cmd.StdinPipe()
			require.NoError(t, err)
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			lines := bufio.NewScanner(out)
			require.True(t, lines.Scan())
			address := lines.Text()
			l, err := net.Listen("tcp", address)
			require.NoError(t, err, "nobody listens there")
			require.NoError(t, l.Close())
			_, err = net.ListenPacket("udp4", address)
			require.Error(t, err, "but it is taken")
			require.NoError(t, in.Close())
			require.NoError(t, cmd.Wait())
			twin, err := net.ListenPacket("udp4", address)
			require.NoError(t, err, "it ends with the process")
			require.NoError(t, twin.Close())
		})
	}
}
