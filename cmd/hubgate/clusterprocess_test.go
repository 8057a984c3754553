package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// listens are the TCP ports on which the program's process listens.
func (p *program) listens(t *testing.T) (ports []string) {
	t.Helper()
	proc := filepath.Join("/proc", fmt.Sprint(p.pid))
	fds, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		t.Skip("no /proc on this system")
	}
	own := make(map[string]bool)
	for _, fd := range fds {
		if link, err := os.Readlink(filepath.Join(proc, "fd", fd.Name())); err == nil {
			own[strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(filepath.Join(proc, "net", table))
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			const address, state, listening, inode = 1, 3, "0A", 9
			field := strings.Fields(line)
			if len(field) <= inode || field[state] != listening || !own[field[inode]] {
				continue
			}
			_, hex, _ := strings.Cut(field[address], ":")
			number, err := strconv.ParseUint(hex, 16, 16)
			require.NoError(t, err)
			ports = append(ports, fmt.Sprint(number))
		}
	}
	return ports
}
