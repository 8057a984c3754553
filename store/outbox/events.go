package outbox

import "github.com/hubgate/hubgate/internal/counts"

// Event is something about deliveries that is counted.
type Event string

// The closed list of events.
const (
	// EventStored is a delivery that cannot be lost any more. EventDone is one that was delivered, or never
	// will be.
	EventStored Event = "Stored"
	EventDone   Event = "Done"
	// EventBatch is a write of the log, EventBatchFailed one that failed or whose answer was lost, EventFull
	// one for which the store had no room.
	EventBatch       Event = "Batch"
	EventBatchFailed Event = "BatchFailed"
	EventFull        Event = "Full"
	// EventLogLost is a log that was written anew because the store had lost it.
	EventLogLost Event = "LogLost"
	// EventMoved is a delivery that was written again, so that what was before it could be removed.
	EventMoved Event = "Moved"
	// EventAdopted is a delivery of a dead node that this one has from now on. EventElsewhere is one of this
	// node that another has, because it has given this one up.
	EventAdopted   Event = "Adopted"
	EventElsewhere Event = "Elsewhere"
	// EventDamaged is a part of a log that could not be read.
	EventDamaged Event = "Damaged"
	// EventDead is a delivery that became a dead letter, EventResent a dead letter that is delivered again.
	EventDead   Event = "Dead"
	EventResent Event = "Resent"
)

var events = []Event{
	EventStored, EventDone, EventBatch, EventBatchFailed, EventFull, EventLogLost, EventMoved, EventAdopted, EventElsewhere, EventDamaged,
	EventDead, EventResent,
}

// Never is that none of it has happened.
func Never() map[Event]uint64 { return counts.New(events).Map() }
