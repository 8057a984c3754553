package hubserver

import (
	"fmt"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/hubserver/internal/values"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// protocols are the hub protocols of every hub.
var protocols = [...]string{hubprotocol.JSON, hubprotocol.MessagePack}

// encodeInvocation returns the call of a client's method in each of the protocols.
func encodeInvocation(protocols []string, invocationID, target string, arguments []any) (serviceprotocol.Payloads, error) {
	payloads := make(serviceprotocol.Payloads, 0, len(protocols))
	for _, protocol := range protocols {
		raw, err := values.AppendArguments(nil, protocol, arguments)
		if err != nil {
			return nil, fmt.Errorf("arguments of %q: %w", target, err)
		}
		record, err := hubprotocol.AppendInvocation(nil, protocol, invocationID, target, raw)
		if err != nil {
			return nil, fmt.Errorf("call of %q: %w", target, err)
		}
		payloads = append(payloads, serviceprotocol.Payload{Protocol: protocol, Data: record})
	}
	return payloads, nil
}
