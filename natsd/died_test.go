//go:build unix

package natsd

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestN34AProcessThatHasEndedIsToldFromOneThatHangs(t *testing.T) {
	t.Parallel()
	list := team(t, 3, 1)
	for i := range list {
		list[i].DataDir, list[i].Cluster.Voters = "", []string{"x"} // nobody keeps a store
	}
	n := launch(t, list[0])
	killed, hangs := spawn(t, list[1]), spawn(t, list[2])
	m := n.routes.mesh
	await(t, "they introduce themselves", func() bool { return m.proven("b") != "" && m.proven("c") != "" })
	for _, name := range []string{"a", "b", "c", "unknown"} {
		require.False(t, n.Died(t.Context(), name), name)
	}
	require.NoError(t, hangs.cmd.Process.Signal(syscall.SIGSTOP))
	killed.kill()
	require.True(t, n.Died(t.Context(), "b"), "nobody listens there")
	require.False(t, n.Died(t.Context(), "c"), "its machine answers for it")
	require.NoError(t, hangs.cmd.Process.Signal(syscall.SIGCONT))

	// It comes back at another address, and is not dead because nobody is at the one of before.
	back := list[1]
	cluster := *back.Cluster
	cluster.Listen = reserve(t, 1)[0]
	back.Cluster = &cluster
	spawn(t, back)
	await(t, "it introduces itself", func() bool { return m.proven("b") == cluster.Listen })
	require.False(t, n.Died(t.Context(), "b"))
}

// A node that is told of at an address where nobody, or another one, is, may not be taken for dead because of that.
func TestANodeThatIsNotAtItsAddressIsNotTakenForDead(t *testing.T) {
	t.Parallel()
	list := team(t, 3, 1)
	list[1].Cluster.Advertise = reserve(t, 1)[0]
	list[2].Cluster.Advertise = list[0].Cluster.Listen
	nodes := launchAll(t, list)
	m := nodes[0].routes.mesh
	await(t, "they are heard and asked", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		b, c := m.nodes["b"], m.nodes["c"]
		return b != nil && c != nil && !b.asked.IsZero() && !c.asked.IsZero()
	})
	for _, name := range []string{"b", "c"} {
		nodes[0].prove(t.Context(), sighting{name, m.nodeAt(name)})
		require.Empty(t, m.proven(name))
		require.False(t, nodes[0].Died(t.Context(), name))
	}
}

func (m *mesh) proven(name string) string { return m.provenAt(name, time.Now()) }

// A voter starts its server again when it has found its place among the others. However long that takes, the node is
// not dead because nobody listens meanwhile.
func TestN34AServerThatStartsAgainIsNotTakenForDead(t *testing.T) {
	t.Parallel()
	list := team(t, 2, 1)
	for i := range list {
		list[i].DataDir, list[i].Cluster.Voters = "", []string{"x"} // nobody keeps a store
	}
	nodes := launchAll(t, list)
	a, b := nodes[0], nodes[1]
	await(t, "it introduces itself", func() bool { return a.routes.mesh.proven("b") != "" })
	refused := func() bool {
		_, err := a.askName(t.Context(), list[1].Cluster.Listen)
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	b.sayAgain()
	b.shutdownServer()
	require.True(t, refused())
	await(t, "what it has said last", func() bool {
		a.routes.mesh.mu.Lock()
		defer a.routes.mesh.mu.Unlock()
		n := a.routes.mesh.nodes["b"]
		return n != nil && time.Now().Before(n.again)
	})
	require.True(t, refused())
	require.False(t, a.Died(t.Context(), "b"))

	b.log.startAgain()
	require.NoError(t, b.startServer(t.Context(), b.routes.current(), false))
	await(t, "it speaks again", func() bool { return a.routes.mesh.proven("b") != "" })
	require.False(t, a.Died(t.Context(), "b"))
	b.shutdownServer()
	require.True(t, a.Died(t.Context(), "b"), "it has said nothing")
}

func (m *mesh) nodeAt(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nodes[name].at
}
