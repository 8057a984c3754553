// Package management is the settings that are changed while the gateway runs, and who changed them.
//
// A [Document] has the shape of Azure's resource Microsoft.SignalRService/SignalR. What it sets wins over
// the configuration of the node: file < settings. What it does not set comes from the configuration.
// A [Service] keeps it, checks it, gives each change a [Version] and puts it in force. The resource API, the
// JSON API of the admin address and the commands are fronts of one Service and have no rules of their own.
package management
