package admin

// Followers count those who look on by live trace, and what resource logs have.
type Followers struct {
	Watching       int
	Opened, Closed uint64
	// Of Closed, Dropped could not follow, and Ended might not look on any more.
	Dropped, Ended  uint64
	Bytes, Messages uint64
	// Missed are events that other nodes did not get.
	Missed                uint64
	LogsWritten, LogsLost uint64
}

var (
	descTraceWatchers = desc("live_trace_watchers", "Connections that look on by live trace.")
	descTraceOpened   = desc("live_trace_watchers_opened_total", "Connections that looked on by live trace since the start.")
	descTraceClosed   = desc("live_trace_watchers_closed_total", "Those that ended, by reason: SlowClient could not follow, AccessEnded had a token or settings that let them in no more.", "reason")
	descTraceBytes    = desc("live_trace_sent_bytes_total", "Bytes to those who look on.")
	descTraceMissed   = desc("live_trace_missed_total", "Events for those who look on at other nodes that were not told there: too much waited for the node.")
	descLogsWritten   = desc("resource_logs_written_total", "Records of resource logs that were written.")
	descLogsLost      = desc("resource_logs_dropped_total", "Records of resource logs that were not: the writer was too slow, or could not write.")
)

// WatchFollowers makes f what is shown of those who follow what happens.
func (a *Admin) WatchFollowers(f func() Followers) { a.node.watchFollowers(f) }

// WatchQuota makes limit what is shown of how many connections there may be.
func (a *Admin) WatchQuota(limit func() int) {
	a.node.mu.Lock()
	defer a.node.mu.Unlock()
	a.node.quota = limit
}

func (c *nodeCollector) watchFollowers(f func() Followers) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.followers = f
}

func (s sink) followers(f Followers) {
	s.gauge(descTraceWatchers, float64(f.Watching))
	s.counter(descTraceOpened, float64(f.Opened))
	s.counter(descTraceClosed, float64(f.Closed-f.Dropped-f.Ended), "Normal")
	s.counter(descTraceClosed, float64(f.Dropped), "SlowClient")
	s.counter(descTraceClosed, float64(f.Ended), "AccessEnded")
	s.counter(descTraceBytes, float64(f.Bytes))
	s.counter(descTraceMissed, float64(f.Missed))
	s.counter(descLogsWritten, float64(f.LogsWritten))
	s.counter(descLogsLost, float64(f.LogsLost))
}
