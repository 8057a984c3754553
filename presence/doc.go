// Package presence tells who is connected: the connections, users and groups of a hub over all nodes, in
// pages over HTTP. Each node is asked for its part of a page, and the parts are merged. Routing and parameters are
// generated from the contract in package api.
package presence

//go:generate go tool oapi-codegen -config oapi-codegen.yaml ../api/presence.yaml
