// Package api holds the contracts of the REST data plane, of presence and of management.
package api

import (
	_ "embed"
	"fmt"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Spec is the contract, an OpenAPI 3.0 document in YAML. It must not be changed.
//
//go:embed openapi.yaml
var Spec []byte

// PresenceSpec is the contract of what tells who is connected. It must not be changed.
//
//go:embed presence.yaml
var PresenceSpec []byte

// Admin is the contract of what changes settings, on the admin address. It must not be changed.
//
//go:embed admin.yaml
var Admin []byte

// Operation is one method of one path of the contract.
type Operation struct {
	// ID is the operation's name, unique in the contract. HEAD has its own.
	ID string
	// Method is upper case; Path has its parameters in braces: /api/hubs/{hub}/:send.
	Method, Path string
	// Public operations need no token.
	Public bool
	// Versioned operations are those with the query parameter api-version.
	Versioned bool
}

type reference struct {
	Ref string `yaml:"$ref"`
}

type method struct {
	OperationID string `yaml:"operationId"`
	// Security is empty but not nil for operations without a token.
	Security []map[string][]string `yaml:"security"`
}

// Operations returns all operations of the contract, by path and method.
func Operations() ([]Operation, error) {
	var contract struct {
		Paths map[string]struct {
			Parameters []reference       `yaml:"parameters"`
			Methods    map[string]method `yaml:",inline"`
		} `yaml:"paths"`
	}
	if err := yaml.Unmarshal(Spec, &contract); err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	var list []Operation
	for path, item := range contract.Paths {
		versioned := false
		for _, parameter := range item.Parameters {
			versioned = versioned || parameter.Ref == "#/components/parameters/ApiVersion"
		}
		for verb, m := range item.Methods {
			list = append(list, Operation{
				ID: m.OperationID, Method: strings.ToUpper(verb), Path: path,
				Public: m.Security != nil && len(m.Security) == 0, Versioned: versioned,
			})
		}
	}
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i], list[j]
		return a.Path < b.Path || a.Path == b.Path && a.Method < b.Method
	})
	return list, nil
}
