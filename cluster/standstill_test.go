package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// standing is the model's two ends with an open session, whose time is the test's.
func standing(t *testing.T) *modelLink {
	m := newModelLink(1)
	m.now = time.Second
	m.ends[0].link.greet(m.now)
	m.talk(t)
	require.Equal(t, open, m.ends[0].link.state)
	require.Zero(t, m.ends[0].link.tick(m.now))
	return m
}

// talk has both ends say what they have to say, and hear it.
func (m *modelLink) talk(t *testing.T) {
	for range 10 {
		for i := range m.ends {
			m.produce(i)
			require.NoError(t, m.deliver(i))
		}
	}
}

// A process that has stood still has not listened: what its peer has said meanwhile waits to be read.
func TestAPeerIsNotGoneBecauseThisProcessStoodStill(t *testing.T) {
	m := standing(t)
	l := m.ends[0].link
	for range 3 {
		m.now += 2 * goneAfter
		require.Zero(t, l.tick(m.now))
		m.talk(t)
		require.Zero(t, l.tick(m.now))
	}
	require.Equal(t, open, l.state)
}

func TestAPeerThatIsSilentIsGone(t *testing.T) {
	for name, late := range map[string]time.Duration{
		"when time goes by as usual":                 tickEvery,
		"when it always comes late":                  standstill,
		"when the process stands still all the time": 3 * standstill,
	} {
		t.Run(name, func(t *testing.T) {
			m := standing(t)
			happened, times := event(0), 0
			for began := m.now; happened == 0 && m.now-began < time.Minute; times++ {
				m.now += late
				happened = m.ends[0].link.tick(m.now)
			}
			require.Equal(t, lost, happened)
			counted := min(late, standstill)
			require.InDelta(t, goneAfter, time.Duration(times)*counted, float64(counted))
		})
	}
}
