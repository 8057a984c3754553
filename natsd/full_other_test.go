//go:build !linux

package natsd

func fullDisk() error { return nil }
