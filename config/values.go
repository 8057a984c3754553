package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// Word is one of a few values; its letter case does not count.
type Word string

// UnmarshalText implements [encoding.TextUnmarshaler]. Which words there are is
// the option's to say.
func (w *Word) UnmarshalText(text []byte) error {
	*w = Word(strings.ToLower(strings.TrimSpace(string(text))))
	return nil
}

// Prefix is a network; a single address is a network of one.
type Prefix struct{ netip.Prefix }

// mappedBits are in front of an IPv4 address that is written as one of IPv6.
const mappedBits = 96

// UnmarshalText implements [encoding.TextUnmarshaler] for 10.0.0.0/8 and 10.0.0.1. IPv4 in the
// notation of IPv6, such as ::ffff:10.0.0.1, becomes plain IPv4.
func (p *Prefix) UnmarshalText(text []byte) error {
	network := strings.TrimSpace(string(text))
	if addr, err := netip.ParseAddr(network); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		p.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(network)
	if err != nil {
		return fmt.Errorf("expected a network such as 10.0.0.0/8, or an address, but got %q", network)
	}
	if before := prefix.Addr(); before.Is4In6() && prefix.Bits() >= mappedBits {
		prefix = netip.PrefixFrom(before.Unmap(), prefix.Bits()-mappedBits)
	}
	p.Prefix = prefix
	return nil
}

// durations lets kong say what a number without a unit lacks.
var durations = kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		example := "30s, 5m or 1h30m"
		if _, number := strconv.ParseFloat(text, 64); number == nil {
			example = text + "s"
		}
		return fmt.Errorf("expected a duration but got %q: write %s", text, example)
	}
	target.SetInt(int64(d))
	return nil
}))
