package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hubgate/hubgate/internal/nearest"
)

const variablePrefix = "HUBGATE_"

// injected are variables that Kubernetes and Docker make of a service or a
// container that is called hubgate.
var injected = regexp.MustCompile(`^HUBGATE_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?|NAME|ENV_.*)$`)

// UnknownVariables returns the variables among environ (NAME=VALUE, as
// [os.Environ] has them) that begin with HUBGATE_ but name no option and are not
// among others, each with the one that was probably meant, if there is one.
func UnknownVariables(environ []string, others ...string) []string {
	known := slices.Clone(others)
	for _, o := range options() {
		known = append(known, o.env)
	}
	var unknown []string
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, variablePrefix) || slices.Contains(known, name) || injected.MatchString(name) {
			continue
		}
		if meant := nearest.To(name, known); len(meant) > 0 {
			name += fmt.Sprintf("; did you mean %s?", strings.Join(meant, " or "))
		}
		unknown = append(unknown, name)
	}
	slices.Sort(unknown)
	return unknown
}
