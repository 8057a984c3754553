package main

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWorthGivingBack(t *testing.T) {
	const mb = 1 << 20
	start := memoryUse{resident: 100 * mb, allocated: 1000 * mb, cycles: 5}
	for name, c := range map[string]struct {
		looks []memoryUse
		want  []bool
	}{
		"quiet after a burst":           {[]memoryUse{{resident: 100 * mb, reusable: 30 * mb, allocated: 1001 * mb, cycles: 5}}, []bool{true}},
		"busy":                          {[]memoryUse{{resident: 100 * mb, reusable: 30 * mb, allocated: 1050 * mb, cycles: 5}}, []bool{false}},
		"little to gain":                {[]memoryUse{{resident: 100 * mb, reusable: 10 * mb, allocated: 1001 * mb, cycles: 5}}, []bool{false}},
		"a small program is left alone": {[]memoryUse{{resident: 12 * mb, reusable: 3 * mb, allocated: 1000 * mb, cycles: 5}}, []bool{false}},
		"clients that held much are gone": {[]memoryUse{
			{resident: 900 * mb, allocated: 2000 * mb, cycles: 9, held: 800 * mb},
			{resident: 900 * mb, allocated: 2001 * mb, cycles: 9, held: 800 * mb}, // looked through after the burst
			{resident: 900 * mb, allocated: 2002 * mb, cycles: 10, held: 800 * mb},
			{resident: 900 * mb, allocated: 2003 * mb, cycles: 10, held: 10 * mb},
			{resident: 100 * mb, allocated: 2004 * mb, cycles: 11, held: 10 * mb},
		}, []bool{false, true, false, true, false}},
		"they have gone just when the runtime collected": {[]memoryUse{
			{resident: 900 * mb, allocated: 1001 * mb, cycles: 9, held: 800 * mb},
			{resident: 900 * mb, allocated: 1002 * mb, cycles: 10},
			{resident: 100 * mb, allocated: 1003 * mb, cycles: 11},
		}, []bool{false, true, false}},
		"a burst that nobody saw": {[]memoryUse{
			{resident: 900 * mb, allocated: 2000 * mb, cycles: 9},
			{resident: 900 * mb, allocated: 2001 * mb, cycles: 9},
			{resident: 100 * mb, allocated: 2002 * mb, cycles: 10},
		}, []bool{false, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			w := memoryWatch{before: start}
			var got []bool
			for _, now := range c.looks {
				got = append(got, w.look(now))
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestReadMemory(t *testing.T) {
	held := func() int64 { return 7 }
	before := readMemory(held)
	garbage := make([]byte, 8<<20)
	after := readMemory(held)
	runtime.KeepAlive(garbage)
	require.GreaterOrEqual(t, after.allocated-before.allocated, uint64(8<<20))
	require.Positive(t, after.resident)
	require.Less(t, after.reusable, after.resident)
	require.EqualValues(t, 7, after.held)
}

// What a start takes is given back as soon as it is quiet, once.
func TestMemoryOfTheStart(t *testing.T) {
	w := watchMemory(memoryUse{resident: 14 << 20, allocated: 30 << 20})
	require.False(t, w.look(memoryUse{resident: 14 << 20, allocated: 32 << 20, reusable: 3 << 20}), "it is not quiet yet")
	quiet := memoryUse{resident: 14 << 20, allocated: 32<<20 + 100<<10, reusable: 3 << 20}
	require.True(t, w.look(quiet))
	require.False(t, w.look(quiet), "it was given back")
}
