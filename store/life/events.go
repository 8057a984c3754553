package life

// Event is something about the end of clients that is counted.
type Event string

// The closed list of events.
const (
	// EventLogged is a client whose birth is in the log: if the node dies now, its end is told.
	EventLogged Event = "Logged"
	// EventUnlogged is a client that was told of before its birth was in the log: its end is not told if
	// the node dies now.
	EventUnlogged Event = "Unlogged"
	// EventBatch is a write of the life log, EventBatchFailed one that failed or whose answer was lost.
	EventBatch       Event = "Batch"
	EventBatchFailed Event = "BatchFailed"
	// EventSnapshot is a log that was made shorter.
	EventSnapshot Event = "Snapshot"
	// EventLogLost is a log that was written anew because the store had lost it.
	EventLogLost Event = "LogLost"
	// EventHeld is the end of a client that is not told while the node is fenced. EventReleased is one
	// that was told later, EventHeldFull one for which there was no room: it is told when this node
	// ends.
	EventHeld     Event = "Held"
	EventReleased Event = "Released"
	EventHeldFull Event = "HeldFull"
	// EventElsewhere is a client of this node whose end another node tells, because it has given this
	// one up.
	EventElsewhere Event = "Elsewhere"
	// EventLost is the end of a dead node's client that is to be told: it is in the outbox.
	// EventDoubtful is one of those whose own node may have told it just before it died.
	EventLost     Event = "Lost"
	EventDoubtful Event = "Doubtful"
	// EventMoved is a client of a dead node that lives on another one.
	EventMoved Event = "Moved"
	// EventDamaged is a part of a log, or an entry of the outbox, that could not be read.
	EventDamaged Event = "Damaged"
	// EventTold is an entry of the outbox whose webhook was called by this node. EventAgain is one
	// that it left to others.
	EventTold  Event = "Told"
	EventAgain Event = "Again"
	// EventUnacknowledged is one that was told, and the store did not hear of it: it may be told again.
	EventUnacknowledged Event = "Unacknowledged"
)

var events = []Event{
	EventLogged, EventUnlogged, EventBatch, EventBatchFailed, EventSnapshot, EventLogLost, EventHeld, EventReleased, EventHeldFull,
	EventElsewhere, EventLost, EventDoubtful, EventMoved, EventDamaged, EventTold, EventAgain, EventUnacknowledged,
}
