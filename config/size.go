package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written with or without a unit: 1048576, 1MiB.
type Size int64

// sizeUnits is sorted so that the first unit that divides a size evenly is
// the one to print.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

// UnmarshalText reads a whole number and an optional unit: B, KB, MB, GB
// (powers of 1000), KiB, MiB or GiB (of 1024), in any letter case.
func (s *Size) UnmarshalText(text []byte) error {
	number, factor := strings.TrimSpace(string(text)), int64(1)
	for _, unit := range sizeUnits {
		if cut := len(number) - len(unit.name); cut > 0 && strings.EqualFold(number[cut:], unit.name) {
			number, factor = strings.TrimSpace(number[:cut]), unit.bytes
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || n > math.MaxInt64/uint64(factor) {
		return fmt.Errorf("expected a size such as 1048576 or 1MiB but got %q", text)
	}
	*s = Size(int64(n) * factor)
	return nil
}

// String returns the size with the largest binary unit that divides it.
func (s Size) String() string {
	for _, unit := range sizeUnits[:3] {
		if s != 0 && int64(s)%unit.bytes == 0 {
			return strconv.FormatInt(int64(s)/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText implements [encoding.TextMarshaler] with what String returns.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
