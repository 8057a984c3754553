package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// clockTick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every
// architecture that Go runs on.
const clockTick = 10 * time.Millisecond

// sampleProcess reads the state of a process on this machine.
func sampleProcess(pid int) (Sample, error) {
	cpu, err := schedCPU(pid)
	if err != nil || cpu == 0 {
		if cpu, err = tickCPU(pid); err != nil {
			return Sample{}, err
		}
	}
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return Sample{}, err
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return Sample{}, fmt.Errorf("statm of process %d has %d fields", pid, len(fields))
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return Sample{}, err
	}
	peak, err := peakResident(pid)
	return Sample{CPU: cpu, Resident: pages * uint64(os.Getpagesize()), Peak: peak}, err
}

// sampleTree adds up a process and all that it started. What the processes share counts once.
func sampleTree(pid int) (sum Sample, err error) {
	for _, one := range tree(pid) {
		s, err := sampleProcess(one)
		if err != nil {
			return Sample{}, err
		}
		// The threads of other runtimes end now and then, and take their finer figures along.
		ticks, err := tickCPU(one)
		if err != nil {
			return Sample{}, err
		}
		resident, err := proportional(one)
		if err != nil {
			return Sample{}, err
		}
		sum.CPU += max(s.CPU, ticks)
		sum.Resident += resident
		sum.Peak += s.Peak
	}
	return sum, nil
}

// tree is a process and those that it started, and they, and so on.
func tree(pid int) []int {
	all := []int{pid}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files {
		text, _ := os.ReadFile(file) // the thread may have ended
		for _, word := range bytes.Fields(text) {
			if child, err := strconv.Atoi(string(word)); err == nil {
				all = append(all, tree(child)...)
			}
		}
	}
	return all
}

// proportional is the memory of a process in RAM, pages that it shares in proportion.
func proportional(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(text, []byte("\nPss:"))
	value, _, _ := bytes.Cut(rest, []byte(" kB"))
	if !ok {
		return 0, fmt.Errorf("process %d: the kernel does not tell its share of memory", pid)
	}
	kilo, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 64)
	return kilo << 10, err
}

// peakResident is 0 on kernels that do not keep the highest value.
func peakResident(pid int) (uint64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(status, []byte("\nVmHWM:"))
	value, _, _ := bytes.Cut(rest, []byte(" kB"))
	if !ok {
		return 0, nil
	}
	kilo, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 64)
	return kilo << 10, err
}

// schedCPU sums the scheduler's nanoseconds of all threads: a thread's first
// figure in schedstat. A Go process does not end threads while it runs, so
// nothing is lost between two calls.
func schedCPU(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("no scheduler statistics of process %d", pid)
	}
	var sum time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := bytes.Cut(text, []byte(" "))
		ns, err := strconv.ParseInt(string(first), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// tickCPU is the coarser figure that every kernel has.
func tickCPU(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the program's name in brackets and may hold anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("stat of process %d has too few fields", pid)
	}
	var ticks int64
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}
