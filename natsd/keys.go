package natsd

import (
	"crypto/hkdf"
	"crypto/sha256"

	"github.com/hubgate/hubgate/secret"
)

// Purpose is what a key is for. Keys of two purposes tell nothing of each other.
type Purpose string

// The keys that the secret of a cluster gives.
const (
	// PurposeTokens seals connection tokens: every node opens those of the others.
	PurposeTokens Purpose = "connection tokens"
	// PurposeFilter is for hashes of names in the filters that nodes exchange.
	PurposeFilter Purpose = "interest filter"
	// PurposeHello proves in the first frame between two nodes that both know the secret.
	PurposeHello Purpose = "hello"
	// PurposeSettings is for hashes of settings, by which nodes see that theirs differ.
	PurposeSettings Purpose = "settings"
	// PurposeSharedSettings seals the settings that the nodes share.
	PurposeSharedSettings Purpose = "shared settings"
	// PurposeSessions seals the sessions of browsers at the admin addresses.
	PurposeSessions Purpose = "admin sessions"

	purposeAuthority Purpose = "certificate authority"
)

// Key derives the key for a purpose, 32 bytes, from a cluster's secret
// (HKDF-SHA-256). Equal secrets give equal keys on every node and in every version.
func Key(s secret.Text, purpose Purpose) []byte {
	key, err := hkdf.Key(sha256.New, []byte(s.Reveal()), nil, "hubgate/1 "+string(purpose), 32)
	if err != nil { // only for a length that no hash gives
		panic(err)
	}
	return key
}
