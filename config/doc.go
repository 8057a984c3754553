// Package config fills one struct from flags, HUBGATE_* environment variables
// and a YAML or JSON file, and reads the emulator's settings.json.
//
// A command embeds [Config] in its struct for kong and passes [Options] to
// kong.New: flags win over the environment, that over the file, that over the
// defaults. [Config.Settings] then gives what may change while the gateway
// runs; the rest is read once, when it starts. To apply changed files, parse
// the same arguments again.
package config

//go:generate go test -run ^TestReferenceIsCurrent$ -update .
