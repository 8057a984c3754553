package store

import "unsafe"

// sharesMemory reports whether part lies inside whole's memory.
func sharesMemory(whole, part string) bool {
	start := uintptr(unsafe.Pointer(unsafe.StringData(whole)))
	at := uintptr(unsafe.Pointer(unsafe.StringData(part)))
	return at >= start && at < start+uintptr(len(whole))
}
