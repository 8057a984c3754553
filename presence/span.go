package presence

import "github.com/hubgate/hubgate/internal/trace"

// endSpan ends the span of the request, if it has one. A request that follows changes may be answered for hours: its
// span ends when the answer begins, and tells how long the caller waited for that.
func (c *call) endSpan() {
	if !c.traced.On() {
		return
	}
	o := trace.Outcome{Operation: c.operation, Known: c.operation != UnknownOperation, Status: c.status}
	if o.Known {
		o.Hub, o.Route = c.request.PathValue("hub"), c.request.Pattern
	}
	if f := c.failed; f != nil {
		o.Reason, o.Err = string(f.reason), f
	}
	c.traced.End(c.request, &o)
}
