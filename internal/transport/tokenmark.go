package transport

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// TokenMark stands for the signature of a token, for gateway.Identity. It is "" without one.
func TokenMark(token string) string {
	signature := token[strings.LastIndexByte(token, '.')+1:]
	if signature == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(signature))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}
