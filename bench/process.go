package bench

import "time"

// Sample is what a process has used and holds at one moment.
type Sample struct {
	// CPU is user and system time of all its threads.
	CPU time.Duration `json:"cpu_ns"`
	// Resident is its memory in RAM, in bytes.
	Resident uint64 `json:"resident_bytes"`
	// Peak is the most that Resident has been since the process began.
	Peak uint64 `json:"peak_bytes"`
}
