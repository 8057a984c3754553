package serviceprotocol

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// said is everything that a ping may say.
func said(m *Ping) map[string]string {
	all := map[string]string{}
	note := func(name string, ok bool, value ...any) {
		if ok {
			all[name] = fmt.Sprint(value...)
		}
	}
	note("echo", m.Echo())
	note("finack", m.FinAck())
	note("servers question", m.IsServersQuestion())
	offline, ok := m.Offline()
	note("offline", ok, offline)
	target, ok := m.Target()
	note("target", ok, target)
	fin, ok := m.Shutdown()
	note("shutdown", ok, string(fin))
	active, ok := m.Status()
	note("status", ok, active)
	on, ok := m.MessageLog()
	note("message log", ok, on)
	process, connection, ok := m.ClientCount()
	note("client count", ok, process, connection)
	load, ok := m.Load()
	note("load", ok, load)
	ticks, ids, ok := m.Servers()
	note("servers", ok, ticks, ids)
	return all
}

func TestPings(t *testing.T) {
	for _, c := range []struct {
		name   string
		ping   *Ping
		values []string
		says   map[string]string
	}{
		{"keep-alive", &Ping{}, nil, nil},
		{"echo", EchoPing("x"), []string{"echo", "x"}, map[string]string{"echo": ""}},
		{"offline", OfflinePing("inst-b"), []string{"offline", "inst-b"}, map[string]string{"offline": "inst-b"}},
		{"offline, all", OfflinePing(""), []string{"offline", ""}, map[string]string{"offline": ""}},
		{"target", TargetPing("inst-b"), []string{"target", "inst-b"}, map[string]string{"target": "inst-b"}},
		{"target, none", TargetPing(""), []string{"target", ""}, nil},
		{"fin, plain", ShutdownPing(FinPlain), []string{"shutdown", "fin:0"}, map[string]string{"shutdown": "fin:0"}},
		{"fin, migrate", ShutdownPing(FinMigrate), []string{"shutdown", "fin:1"}, map[string]string{"shutdown": "fin:1"}},
		{"fin, keep", ShutdownPing(FinKeep), []string{"shutdown", "fin:2"}, map[string]string{"shutdown": "fin:2"}},
		{"finack", FinAckPing(), []string{"shutdown", "finack"}, map[string]string{"finack": ""}},
		{"message log on", MessageLogPing(true), []string{"d-m", "1"}, map[string]string{"message log": "true"}},
		{"message log off", MessageLogPing(false), []string{"d-m", "0"}, map[string]string{"message log": "false"}},
		{"client count", ClientCountPing(7, 2), []string{"#clientInHub", "7", "#client", "2"}, map[string]string{"client count": "7 2"}},
		{"status question", StatusQuestionPing(), []string{"status", "1"}, map[string]string{"status": "true"}},
		{"status, active", StatusPing(true, nil), []string{"status", "1"}, map[string]string{"status": "true"}},
		{"status, not active", StatusPing(false, nil), []string{"status", "0"}, map[string]string{"status": "false"}},
		{"status with load", StatusPing(false, &Load{12, 5, 1000}),
			[]string{"status", "0", "clientcount", "12", "servercount", "5", "capacity", "1000"},
			map[string]string{"status": "false", "load": "{12 5 1000}"}},
		{"servers question", ServersQuestionPing(), []string{"servers", ""}, map[string]string{"servers question": ""}},
		{"servers", ServersPing(5, []string{"b", "a"}), []string{"servers", "5:a;b"}, map[string]string{"servers": "5 [a b]"}},
		{"servers, none", ServersPing(5, nil), []string{"servers", "5:"}, map[string]string{"servers": "5 []"}},
		{"servers without a colon", ping("servers", "5"), []string{"servers", "5"}, nil},
		{"servers without a number", ping("servers", "x:a"), []string{"servers", "x:a"}, nil},
		{"shutdown, something else", ping("shutdown", "fin:9"), []string{"shutdown", "fin:9"}, nil},
		{"counters that are no numbers", ping("#clientInHub", "x", "#client", "1"), []string{"#clientInHub", "x", "#client", "1"}, nil},
		{"keys in another letter case", ping("Status", "1"), []string{"Status", "1"}, nil},
		{"a key without a value", ping("status"), []string{"status"}, nil},
		{"values that look like keys", ping("x", "status", "y", "1"), []string{"x", "status", "y", "1"}, nil},
		{"several", ping("status", "0", "target", "t", "status", "1"), []string{"status", "0", "target", "t", "status", "1"},
			map[string]string{"status": "false", "target": "t"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.values, c.ping.Values)
			got := parse(t, c.ping.Append(nil)).(*Ping)
			require.Equal(t, c.ping, got)
			if c.says == nil {
				c.says = map[string]string{}
			}
			require.Equal(t, c.says, said(got))
		})
	}
}

func TestServersPingLeavesItsArgument(t *testing.T) {
	ids := []string{"b", "a"}
	ServersPing(1, ids)
	require.Equal(t, []string{"b", "a"}, ids)
}

func TestTicks(t *testing.T) {
	require.Equal(t, int64(0), Ticks(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)))
	require.Equal(t, int64(621355968000000000), Ticks(time.Unix(0, 0)))
	require.Equal(t, int64(638396640000000005), Ticks(time.Date(2024, 1, 1, 0, 0, 0, 599, time.UTC)))
	require.Equal(t, Ticks(time.Unix(5, 0)), Ticks(time.Unix(5, 0).In(time.FixedZone("", 3600))))
}

func TestLongPings(t *testing.T) {
	for n := 12; n < 20; n++ {
		want := &Ping{Values: numbered(n)}
		require.Equal(t, want, parse(t, want.Append(nil)), "%d texts", n)
	}
	long := &Ping{Values: numbered(MaxPairs)}
	require.Equal(t, long, parse(t, long.Append([]byte{1})[1:]))
}
