package gateway

// Busy reports whether the node's workers are far behind, so that sends are refused here (ErrHubBusy).
// It costs one atomic load.
func (g *Gateway) Busy() bool { return g.counts.backlog.Load() > maxBacklog }

// Crowded lists the hubs whose clients have more to take than Limits.HubQueuedBytes, in no order. It
// looks at every hub and does not wait.
func (g *Gateway) Crowded() (hubs []string) {
	bound := g.opts.Limits().HubQueuedBytes
	for _, h := range g.hubs.all() {
		if h.queuedBytes() > bound {
			hubs = append(hubs, h.key)
		}
	}
	return hubs
}
