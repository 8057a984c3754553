package serviceprotocol

import "hash/maphash"

const (
	// textSlots is how many names a decoder remembers, a power of two.
	textSlots = 1024
	// longestText is how long a remembered name may be.
	longestText = 64
)

// texts remembers names that were read before, so that the connection of each message is
// not a new string each time: one slot per hash, the newest name stays. The hash is
// seeded, or a sender could choose names that fall into one slot.
type texts struct {
	seed  maphash.Seed
	slots *[textSlots]string
}

func newTexts() texts {
	return texts{seed: maphash.MakeSeed(), slots: new([textSlots]string)}
}

// get returns b as a string.
func (t *texts) get(b []byte) string {
	if len(b) == 0 || len(b) > longestText {
		return string(b)
	}
	slot := &t.slots[maphash.Bytes(t.seed, b)%textSlots]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}
