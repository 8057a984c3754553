package main

import (
	"bytes"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
)

// shareOfMemory returns a bound of the node in bytes: the configured one, or, if
// that is 0, one part in so many of the memory that the process may use.
func shareOfMemory(configured, parts int64) int {
	if configured > 0 {
		return int(min(configured, math.MaxInt))
	}
	return int(min(memoryLimit()/parts, math.MaxInt))
}

// unknownMemory is what is assumed where nothing says how much memory there is.
const unknownMemory = 2 << 30

// memoryLimit is the least of what GOMEMLIMIT, the control group and the machine
// allow, in bytes. It is asked once: it decides bounds that should not wander.
var memoryLimit = sync.OnceValue(func() int64 {
	limit := int64(math.MaxInt64)
	for _, more := range []int64{
		debug.SetMemoryLimit(-1), // only asks
		numberIn("/sys/fs/cgroup/memory.max", nil, 1),
		numberIn("/sys/fs/cgroup/memory/memory.limit_in_bytes", nil, 1),
		numberIn("/proc/meminfo", []byte("MemTotal:"), 1024),
	} {
		if more > 0 {
			limit = min(limit, more)
		}
	}
	if limit == math.MaxInt64 {
		return unknownMemory
	}
	return limit
})

// numberIn returns the first number behind the mark in a file of the system,
// times the unit, or 0 if there is none.
func numberIn(path string, mark []byte, unit int64) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	if _, behind, found := bytes.Cut(text, mark); found {
		text = behind
	}
	fields := bytes.Fields(text)
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(string(fields[0]), 10, 64) // "max" is no number
	if err != nil || n > math.MaxInt64/unit {
		return 0
	}
	return n * unit
}
