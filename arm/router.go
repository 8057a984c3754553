package arm

import (
	"net/http"
	"net/url"
	"strings"
)

// route is one operation. The pattern has a path without its first slash, in lower case; {name} stands for any one
// segment. Segments are compared without regard to letter case (R79), and a slash at the end means nothing.
type route struct {
	method  string
	pattern []string
	open    bool // needs neither a token nor an api-version
	handle  func(*call) error
}

func at(method, pattern string, handle func(*call) error) route {
	return route{method: method, pattern: strings.Split(pattern, "/"), handle: handle}
}

// unguarded is a route that whoever reaches the address may use.
func unguarded(method, pattern string, handle func(*call) error) route {
	r := at(method, pattern, handle)
	r.open = true
	return r
}

// match returns what stands at the names of the pattern.
func (r *route) match(segments []string) (values map[string]string, ok bool) {
	if len(segments) != len(r.pattern) {
		return nil, false
	}
	for i, want := range r.pattern {
		switch {
		case strings.HasPrefix(want, "{"):
			if values == nil {
				values = make(map[string]string, 4)
			}
			values[strings.Trim(want, "{}")] = segments[i]
		case !strings.EqualFold(want, segments[i]):
			return nil, false
		}
	}
	return values, true
}

// find returns the route of a request. If only the method is wrong, it returns the methods that there are.
func find(routes []route, method string, segments []string) (found *route, values map[string]string, methods []string) {
	for i := range routes {
		r := &routes[i]
		values, ok := r.match(segments)
		if !ok {
			continue
		}
		if r.method == method || r.method == http.MethodGet && method == http.MethodHead {
			return r, values, nil
		}
		methods = append(methods, r.method)
	}
	return nil, nil, methods
}

// segmentsOf splits the path of a request and takes the escapes off each segment. ok is false for a path that is
// none: one with an escape that means nothing.
func segmentsOf(escapedPath string) (segments []string, ok bool) {
	path := strings.Trim(escapedPath, "/")
	// az joins an endpoint with a slash at its end and a path with one at its beginning.
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" {
			continue
		}
		plain, err := url.PathUnescape(segment)
		if err != nil {
			return nil, false
		}
		segments = append(segments, plain)
	}
	return segments, true
}
