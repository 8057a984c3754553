package settings

// Presence says who may ask who is connected.
type Presence struct {
	// Access says whose tokens may.
	Access PresenceAccess
	// Events lets them follow who comes and goes.
	Events bool
}

// PresenceAccess says whose tokens may ask who is connected.
type PresenceAccess string

const (
	// PresenceOff: nobody's.
	PresenceOff PresenceAccess = "off"
	// PresenceKey: those that are signed with an access key for the path.
	PresenceKey PresenceAccess = "key"
	// PresenceClaim: those that name the right in a claim too.
	PresenceClaim PresenceAccess = "claim"
)

var presenceAccesses = []PresenceAccess{PresenceOff, PresenceKey, PresenceClaim}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (a *PresenceAccess) UnmarshalText(text []byte) error {
	return parseWord(a, text, presenceAccesses)
}

func (p *problems) checkPresence(v Presence) {
	p.wrap("presence.access", checkWord(v.Access, presenceAccesses))
}
