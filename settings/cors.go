package settings

import "strings"

// CORS says which web pages may read the gateway's answers.
type CORS struct {
	// AllowedOrigins lists origins such as "https://app.example"; "*" is any.
	AllowedOrigins []string
}

// Allows says whether a page of origin may read answers (R88): an Origin
// header's value, compared without regard to letter case.
func (c CORS) Allows(origin string) bool {
	for _, allowed := range c.AllowedOrigins {
		if allowed == "*" || strings.EqualFold(allowed, origin) {
			return true
		}
	}
	return false
}
