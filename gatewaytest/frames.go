package gatewaytest

import "encoding/binary"

// The first bytes of WebSocket frames (RFC 6455, section 5.2).
const (
	FrameFinal        = 0x80
	FrameContinuation = 0x0
	FrameText         = 0x1
	FrameBinary       = 0x2
	FrameClose        = 0x8
	FramePing         = 0x9
)

// ClientFrame is a WebSocket frame as clients send it: masked. first is its first byte.
func ClientFrame(first byte, payload string) []byte {
	frame := ServerFrame(first, payload)
	header := len(frame) - len(payload)
	key := [4]byte{0xa1, 0xb2, 0xc3, 0xd4}
	masked := append(append([]byte(nil), frame[:header]...), key[:]...)
	masked[1] |= 0x80
	for i := range len(payload) {
		masked = append(masked, payload[i]^key[i%4])
	}
	return masked
}

// ServerFrame is a WebSocket frame as servers send it. first is its first byte.
func ServerFrame(first byte, payload string) []byte {
	var frame []byte
	switch n := len(payload); {
	case n <= 125:
		frame = []byte{first, byte(n)}
	case n <= 0xFFFF:
		frame = binary.BigEndian.AppendUint16([]byte{first, 126}, uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64([]byte{first, 127}, uint64(n))
	}
	return append(frame, payload...)
}
