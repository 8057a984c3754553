// Package hubgate is what an application in Go needs to stand behind a gateway: the answer to negotiate,
// sends and groups over REST, and its webhooks, with their signatures checked. It works with hubgate and with
// Azure SignalR Service; what only one of them has says so.
package hubgate
