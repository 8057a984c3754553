package restapi

import (
	"net/http"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/trace"
)

// sign says in a command which request it is of.
func (c *call) sign(cmd *gateway.Command) {
	cmd.Trace, cmd.Span = c.wants.traced.ID, c.wants.traced.Kept()
}

// end ends the span of the request.
func (c *call) end(r *http.Request) {
	if !c.wants.traced.On() {
		return
	}
	o := trace.Outcome{
		Operation: c.operation, Known: c.operation != UnknownOperation && c.operation != "",
		Hub: c.route.URLParam("hub"), Route: c.route.RoutePattern(), Status: c.status,
	}
	if f := c.failed; f != nil {
		o.Reason, o.Err = string(f.reason), f
	}
	c.wants.traced.End(r, &o)
}
