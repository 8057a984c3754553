package gateway

// Lost says that a transport with Abilities.Returns has ended. If it is the present one and the
// connection is open, the client is away from now on: what is sent to it is held, within its bounds,
// until it comes back (Replace), is closed, or has been away for too long (Manner.Away). In any other
// state the connection has ended, as with Ended. Of a former transport Lost does nothing, and calls
// after the first do nothing. Cause says why; it is that of the connection's end if that follows.
// Lost may tell the session, and must not be called with locks the session may need.
func (c *Conn) Lost(t Transport, cause Cause) {
	c.Ended(cause)
}
