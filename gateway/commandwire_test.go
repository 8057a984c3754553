package gateway_test

import (
	"encoding/binary"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/filter"
)

func wireCommands(t testing.TB) []*gateway.Command {
	return []*gateway.Command{
		{Hub: "chat", Verb: gateway.VerbSend, Frames: message(t, "hello"), Trace: "4bf92f", Span: "00-4bf92f-01",
			Target: gateway.Target{Kind: gateway.TargetGroups, IDs: []string{"a", ""}, Except: []string{"x"}, ExceptUsers: []string{"ann", "bob"}}},
		{Hub: "chat", Verb: gateway.VerbJoin, Target: users("ann"), Group: "g", Membership: gateway.Membership{ByUser: true}},
		{Hub: "chat", Verb: gateway.VerbClose, Target: all(), Cause: gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "bye", AllowReconnect: true, Told: true}},
		{Hub: "a_chat", Verb: gateway.VerbList, Target: groups("g"), Page: gateway.Page{After: "id", Max: 200}},
		{Verb: gateway.VerbCount, Target: all()},
	}
}

func TestCommandsBetweenNodes(t *testing.T) {
	for _, cmd := range wireCommands(t) {
		wire := gateway.AppendCommand([]byte("before"), cmd)[len("before"):]
		got, err := gateway.ParseCommand(wire)
		require.NoError(t, err)
		if cmd.Frames != nil {
			want, _ := cmd.Frames.For("json")
			bytes, ok := got.Frames.For("json")
			require.True(t, ok)
			require.Equal(t, want, bytes)
			got.Frames = cmd.Frames
		}
		require.Equal(t, cmd, got)
		for i := range wire {
			_, err := gateway.ParseCommand(wire[:i])
			require.Error(t, err, "cut at %d", i)
		}
		_, err = gateway.ParseCommand(append(wire, 0))
		require.Error(t, err)
		wire[0]++
		_, err = gateway.ParseCommand(wire)
		require.Error(t, err, "another version")
	}
	_, err := gateway.ParseCommand(gateway.AppendCommand(nil, &gateway.Command{Verb: gateway.VerbClose, Target: all(), Cause: gateway.Cause{Reason: "Invented"}}))
	require.Error(t, err, "a reason that is not in the list")
}

// Every field of a command is carried, those too that are added some day.
func TestNoFieldOfACommandIsForgotten(t *testing.T) {
	stays := []string{"Command.By", "Command.Trace", "Command.Page", "Command.Any", "Command.From", "Command.came"} // only of concern to the node that was asked
	taken, err := filter.Parse("userId eq 'ann'")
	require.NoError(t, err)
	cmd := &gateway.Command{Verb: gateway.VerbInvoke, Frames: message(t, "hello"), Cause: gateway.Cause{Reason: gateway.CloseNormal}}
	cmd.Target.Kind, cmd.Target.Filter = gateway.TargetUsers, taken
	fill(reflect.ValueOf(cmd).Elem(), stays)
	got, err := gateway.ParseCommand(gateway.AppendCommand(nil, cmd))
	require.NoError(t, err)
	require.WithinDuration(t, cmd.Membership.Until, got.Membership.Until, time.Minute)
	got.Membership.Until, got.Frames = cmd.Membership.Until, cmd.Frames
	require.Equal(t, cmd, got)
}

// Nodes that know nothing of spans read the place as where a list begins, and look at it in lists only.
func TestASpanTakesThePlaceOfAList(t *testing.T) {
	send := &gateway.Command{Verb: gateway.VerbSend, Target: all(), Frames: message(t, "hello"), Span: "00-4bf92f-01"}
	got, err := gateway.ParseCommand(gateway.AppendCommand(nil, send))
	require.NoError(t, err)
	require.Equal(t, send.Span, got.Span)
	require.Zero(t, got.Page)
	list := &gateway.Command{Verb: gateway.VerbList, Target: all(), Page: gateway.Page{After: "id", Max: 1}, Span: "00-4bf92f-01"}
	got, err = gateway.ParseCommand(gateway.AppendCommand(nil, list))
	require.NoError(t, err)
	require.Empty(t, got.Span)
	require.Equal(t, list.Page, got.Page)
}

// Numbers that other nodes claim are compared with what there is before anything is made for them.
func TestClaimsOfOtherNodesAllocateNothing(t *testing.T) {
	cmd := gateway.AppendCommand(nil, &gateway.Command{Verb: gateway.VerbCount, Target: all()})
	require.Equal(t, []byte{0, 0, 0}, cmd[len(cmd)-3:], "three empty lists")
	result := gateway.AppendResult(nil, gateway.Result{}, nil)
	require.Equal(t, byte(0), result[len(result)-1], "no members")
	for _, claim := range []uint64{4, 9999, 1 << 30, 1 << 40, 1<<64 - 1} {
		lists := binary.AppendUvarint(cmd[:len(cmd)-3:len(cmd)-3], claim)
		members := binary.AppendUvarint(result[:len(result)-1:len(result)-1], claim)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := gateway.ParseCommand(append(lists, 1, 'a', 0))
		_, resultErr := gateway.ParseResult(append(members, 1, 'a', 0))
		runtime.ReadMemStats(&after)
		require.Error(t, err)
		require.Error(t, resultErr)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10), "a claim of %d", claim)
	}
}

// fill gives every field a value that is still zero.
func fill(v reflect.Value, except []string) {
	for i := range v.NumField() {
		f := v.Field(i)
		switch {
		case slices.Contains(except, v.Type().Name()+"."+v.Type().Field(i).Name):
		case f.Type() == reflect.TypeFor[time.Time]():
			f.Set(reflect.ValueOf(time.Now().Add(time.Hour)))
		case f.Kind() == reflect.Struct:
			fill(f, except)
		case !f.IsZero():
		case f.Kind() == reflect.String:
			f.SetString("text of " + v.Type().Field(i).Name)
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		case f.CanInt():
			f.SetInt(7)
		case f.Kind() == reflect.Slice:
			f.Set(reflect.ValueOf([]string{"one", v.Type().Field(i).Name}))
		default:
			panic("fill does not know " + f.Type().String())
		}
	}
}

// The end of a membership is carried as what remains, so that clocks need not agree.
func TestTheEndOfAMembershipBetweenNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cmd := &gateway.Command{Hub: "chat", Verb: gateway.VerbJoin, Target: users("ann"), Group: "g",
			Membership: gateway.Membership{ByUser: true, Until: time.Now().Add(time.Minute)}}
		wire := gateway.AppendCommand(nil, cmd)
		time.Sleep(time.Hour) // the other node's clock is ahead
		got, err := gateway.ParseCommand(wire)
		require.NoError(t, err)
		require.Equal(t, time.Minute, time.Until(got.Membership.Until))
		wire = gateway.AppendCommand(nil, cmd) // over already
		got, err = gateway.ParseCommand(wire)
		require.NoError(t, err)
		require.False(t, got.Membership.Until.IsZero())
		require.LessOrEqual(t, time.Until(got.Membership.Until), time.Nanosecond)
	})
}

func TestResultsBetweenNodes(t *testing.T) {
	full := gateway.Result{Matched: 7, Members: []gateway.Member{{ID: "1", User: "ann"}, {ID: "2"}}}
	for _, want := range []error{nil, gateway.ErrTooManyGroups, errors.New("no room")} {
		for _, r := range []gateway.Result{{}, full} {
			wire := gateway.AppendResult(nil, r, want)
			got, err := gateway.ParseResult(wire)
			require.Equal(t, r, got)
			require.Equal(t, want, err)
			for i := range wire {
				r, err := gateway.ParseResult(wire[:i])
				require.Error(t, err)
				require.Zero(t, r)
			}
		}
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, cmd := range wireCommands(f) {
		f.Add(gateway.AppendCommand(nil, cmd))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cmd, err := gateway.ParseCommand(data)
		if err != nil {
			return
		}
		require.Equal(t, cmd.Verb == gateway.VerbSend, cmd.Frames != nil)
		require.LessOrEqual(t, len(cmd.Target.IDs)+len(cmd.Target.Except)+len(cmd.Target.ExceptUsers), len(data))
		cmd.Membership.Until = time.Time{} // it depends on the clock
		again, err := gateway.ParseCommand(gateway.AppendCommand(nil, cmd))
		require.NoError(t, err)
		require.Equal(t, gateway.AppendCommand(nil, cmd), gateway.AppendCommand(nil, again))
	})
}

func TestReceiptsBetweenNodes(t *testing.T) {
	want := gateway.Result{Receipt: gateway.Receipt{Matched: 300, Written: 1, Queued: 2, NoPayload: 3, Slow: 4, Closed: 5, Fault: 6, Nodes: 7}}
	wire := gateway.AppendResult(nil, want, nil)
	got, err := gateway.ParseResult(wire)
	require.NoError(t, err)
	require.Equal(t, want, got)
	without := gateway.AppendResult(nil, gateway.Result{}, nil)
	require.Equal(t, without, wire[:len(without)], "an older node says so much")
	for i := range wire {
		if i == len(without) {
			continue
		}
		_, err := gateway.ParseResult(wire[:i])
		require.Error(t, err)
	}
	_, err = gateway.ParseResult(append(wire, 0))
	require.Error(t, err)
}

func FuzzParseResult(f *testing.F) {
	f.Add(gateway.AppendResult(nil, gateway.Result{Matched: 7, Members: []gateway.Member{{ID: "1", User: "ann"}}}, nil))
	f.Add(gateway.AppendResult(nil, gateway.Result{}, errors.New("no room")))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := gateway.ParseResult(data)
		require.LessOrEqual(t, len(r.Members), len(data))
		again, errAgain := gateway.ParseResult(gateway.AppendResult(nil, r, err))
		require.Equal(t, r, again)
		require.Equal(t, err == nil, errAgain == nil)
	})
}
