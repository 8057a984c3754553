package admin

import "github.com/hubgate/hubgate/hubname"

// Generation says which SignalR a client speaks, in metrics.
type Generation string

const (
	AspNetCore Generation = "aspnetcore" // ASP.NET Core SignalR
	AspNet     Generation = "aspnet"     // ASP.NET SignalR
)

const generationLabel = "generation"

// generations are all of them.
var generations = []string{string(AspNetCore), string(AspNet)}

// generationOf returns the generation of the clients of a hub, whose key tells it.
func generationOf(hub string) Generation {
	if _, ok := hubname.Application(hub); ok {
		return AspNet
	}
	return AspNetCore
}
