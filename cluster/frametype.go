package cluster

// frameType says what a frame is. Frames are what a session carries in order and exactly once.
type frameType byte

const (
	frameCommand frameType = iota + 1
	frameAnswer
	frameFilter
	frameMembers
	frameLoad
	frameHTTP
	frameBackend
	frameHome
	frameQuota
	frameMove
	frameClientAnswer
)

// Types that may be passed over by nodes that do not know them.
const (
	framePresence = frameIgnorable | 1
	frameTrace    = frameIgnorable | 2
	frameFault    = frameIgnorable | 3
	frameFirewall = frameIgnorable | 4
	frameWatch    = frameIgnorable | 5
	frameLive     = frameIgnorable | 6
	frameAdmin    = frameIgnorable | 7
	frameLogout   = frameIgnorable | 8
)

const (
	// frameIgnorable marks types that a node which does not know them may pass over: it counts
	// them. Any other type that it does not know ends the session.
	frameIgnorable frameType = 0x40
	// frameMore marks a unit that is not the last piece of its frame.
	frameMore frameType = 0x80
)

// frame is one that has arrived. The body may be part of a packet, which nobody else uses.
type frame struct {
	kind frameType
	body []byte
}

// unknownFrame is a frame of a type that may not be ignored.
type unknownFrame struct{ kind frameType }

func (*unknownFrame) Error() string { return "cluster: a frame of an unknown type" }
