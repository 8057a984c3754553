package telemetry

import (
	"regexp"
	"strconv"
)

// partialSuccess is the text of the exporter's error about a collector that has taken a part. The exporter has no
// type for it that others may use.
var partialSuccess = regexp.MustCompile(`OTLP partial success: .*\((\d+) \w+ rejected\)`)

// rejected reads from the exporter's error how many of all spans the collector has not taken. Partly is false if
// that is not what the error says.
func rejected(err error, all uint64) (lost uint64, partly bool) {
	if err == nil {
		return 0, false
	}
	m := partialSuccess.FindStringSubmatch(err.Error())
	if m == nil {
		return 0, false
	}
	lost, err = strconv.ParseUint(m[1], 10, 64)
	if err != nil {
		return 0, false
	}
	return min(lost, all), true
}
