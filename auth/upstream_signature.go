package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
)

// UpstreamSignature returns the value of X-ASRS-Signature for a connection:
// for each key "sha256=" and the upper-case hexadecimal HMAC-SHA256 of the
// connection id, joined by a comma without a space, because receivers split at
// the comma and do not trim (R58). Empty keys are left out. The value is the
// same for all events of a connection while the keys stay.
func UpstreamSignature(keys []Secret, connectionID string) string {
	var b strings.Builder
	for _, key := range keys {
		if key == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		mac := hmac.New(sha256.New, []byte(key.Reveal()))
		mac.Write([]byte(connectionID))
		fmt.Fprintf(&b, "sha256=%X", mac.Sum(nil))
	}
	return b.String()
}
