package gateway

// Turnstile bounds how many clients are connected at a time, by what their tokens say. Its methods are called
// concurrently and must be cheap.
type Turnstile interface {
	// Enter counts a client that comes, once for each connection id. The error is an *Overrun if there are too
	// many; with probe nothing is counted, and who has no ID.
	Enter(who *Identity, probe bool) error
	// Seen counts a client that is there already, or comes from another node.
	Seen(who *Identity)
	// Leave says that a client has ended, or goes on at another node. It may not have entered.
	Leave(who *Identity)
}

type turning struct{ Turnstile }

// Turn puts a Turnstile in force, in place of the one before; nil is none. It has not counted the clients that
// are there: whoever puts it in force shows them to it, see [Gateway.Each].
func (g *Gateway) Turn(t Turnstile) {
	if t == nil {
		g.turnstile.Store(nil)
		return
	}
	g.turnstile.Store(&turning{t})
}

// AdmitClient returns the error that Attach would return for a client because of a Limiter or a Turnstile,
// without counting anything. Only if there is a Turnstile, claims are asked for who the client is.
func (g *Gateway) AdmitClient(hub, user string, claims func() *Identity) error {
	if err := g.AdmitUser(hub, user); err != nil {
		return err
	}
	if t := g.turnstile.Load(); t != nil {
		return t.Enter(claims(), true)
	}
	return nil
}

func (g *Gateway) enter(who *Identity) error {
	if t := g.turnstile.Load(); t != nil {
		return t.Enter(who, false)
	}
	return nil
}

func (g *Gateway) arrived(who *Identity) {
	if t := g.turnstile.Load(); t != nil {
		t.Seen(who)
	}
}

func (g *Gateway) leave(who *Identity) {
	if t := g.turnstile.Load(); t != nil {
		t.Leave(who)
	}
}
