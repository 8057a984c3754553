package auth

import "github.com/hubgate/hubgate/secret"

// Secret is an access key, which nothing prints.
type Secret = secret.Text

// EmulatorKey is the access key that Microsoft's emulator uses on every machine.
const EmulatorKey = secret.EmulatorKey
