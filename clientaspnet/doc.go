// Package clientaspnet is the endpoint of ASP.NET SignalR clients, the older generation: everything
// under /aspnetclient. It negotiates and carries the transports webSockets, serverSentEvents and
// longPolling. What clients say and are told is the core's affair, and its form that of package
// aspnetprotocol.
//
// A connection survives its transports. A client that has lost one comes back with /reconnect, or with
// a second /connect while it still looks for a transport that works; the core then puts the new one in
// place of the old one. So a transport here ends with Conn.Lost, and what it still does as a former one
// has no effect.
//
// An idle WebSocket costs what package clientws says.
package clientaspnet
