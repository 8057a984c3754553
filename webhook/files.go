package webhook

import (
	"path/filepath"
	"strings"
)

// AllowsFile says whether {@file:PATH} may read the path if allowed is the list of what
// templates may read: absolute paths, of which one that ends in a separator stands for
// everything below it. Cleaned paths are compared, so that ".." leads out of nothing.
func AllowsFile(allowed []string, path string) bool {
	if !filepath.IsAbs(path) {
		return false
	}
	const separator = string(filepath.Separator)
	path = filepath.Clean(path)
	for _, entry := range allowed {
		below := strings.HasSuffix(entry, "/") || strings.HasSuffix(entry, separator)
		entry = filepath.Clean(entry)
		switch {
		case !below && path == entry:
			return true
		case below && strings.HasPrefix(path, strings.TrimSuffix(entry, separator)+separator):
			return true
		}
	}
	return false
}
