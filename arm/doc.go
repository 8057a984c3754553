// Package arm is Azure's resource API (Azure Resource Manager) for one resource of the type
// Microsoft.SignalRService/SignalR, which is the gateway. It is made for Azure's command line and management
// libraries, unmodified, and for templates that they deploy: what they ask of a resource is answered from
// the settings document of the gateway, and what they change is a change of that document.
//
// The package is a front: what a setting means and whether it is valid is management's to say.
package arm
