package settings

import "time"

// AspNet holds the timers of clients of ASP.NET SignalR, which are told all of them but KeepAlive
// when they negotiate. A change applies to clients that negotiate from then on, and to what the
// gateway itself does of it at once.
type AspNet struct {
	// KeepAlive is the time from one keep-alive to the next, 1 to 120 s.
	KeepAlive time.Duration
	// Timeout is after how long without a byte clients of WebSockets and Server-Sent Events
	// give up their transport and reconnect. It is more than one and a half times KeepAlive:
	// at two thirds of it clients tell their application of a slow connection.
	Timeout time.Duration
	// DisconnectTimeout is how long a client may be without a transport, or without a poll, before
	// its connection ends. It is more than Timeout, since a client may notice that late.
	DisconnectTimeout time.Duration
	// ConnectTimeout is how long clients wait for the first message on a transport before they try
	// the next one, 1 to 120 s.
	ConnectTimeout time.Duration
	// LongPollInterval is after how long a poll is answered with nothing. Clients give up a poll
	// 10 s later.
	LongPollInterval time.Duration
}

// defaultAspNet has the values of ASP.NET SignalR itself.
func defaultAspNet() AspNet {
	return AspNet{
		KeepAlive:         10 * time.Second,
		Timeout:           20 * time.Second,
		DisconnectTimeout: 30 * time.Second,
		ConnectTimeout:    5 * time.Second,
		LongPollInterval:  110 * time.Second,
	}
}

func (p *problems) checkAspNet(a AspNet) {
	const least, most = time.Second, 120 * time.Second
	p.duration("aspnet.keepAlive", a.KeepAlive, least, most)
	p.duration("aspnet.timeout", a.Timeout, least, maxTimer)
	p.duration("aspnet.disconnectTimeout", a.DisconnectTimeout, least, maxTimer)
	p.duration("aspnet.connectTimeout", a.ConnectTimeout, least, most)
	p.duration("aspnet.longPollInterval", a.LongPollInterval, least, maxTimer)
	if a.KeepAlive <= most && a.Timeout <= a.KeepAlive*3/2 {
		p.add("aspnet.timeout", "must be more than %v, one and a half times aspnet.keepAlive: else clients take a quiet connection for a slow one", a.KeepAlive*3/2)
	}
	if a.DisconnectTimeout <= a.Timeout {
		p.add("aspnet.disconnectTimeout", "must be more than aspnet.timeout, %v: a client may notice that late that its transport is lost", a.Timeout)
	}
}
