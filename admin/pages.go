package admin

import (
	"net/http"
	"slices"
	"sync"
)

// pageMux is a ServeMux that can say what it has.
type pageMux struct {
	*http.ServeMux
	mu       sync.Mutex
	patterns []string
}

func newPageMux() *pageMux { return &pageMux{ServeMux: http.NewServeMux()} }

func (m *pageMux) Handle(pattern string, h http.Handler) {
	m.mu.Lock()
	m.patterns = append(m.patterns, pattern)
	m.mu.Unlock()
	m.ServeMux.Handle(pattern, h)
}

func (m *pageMux) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	m.Handle(pattern, http.HandlerFunc(h))
}

// Patterns returns the patterns of all that is served, as http.ServeMux has them.
func (a *Admin) Patterns() []string {
	a.pages.mu.Lock()
	defer a.pages.mu.Unlock()
	return slices.Clone(a.pages.patterns)
}
