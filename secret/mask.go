package secret

import (
	"regexp"
	"strings"
)

// inText finds secrets inside longer text: values of the query parameters access_token and code,
// bearer tokens, JSON web tokens, keys in connection strings.
var inText = regexp.MustCompile(`(?i)([?&]?(?:access_token|code|accesskey)=|bearer\s+)[^\s&;"']+|\beyJ[\w-]+\.[\w-]+\.[\w-]*`)

// errorNumber finds what is the number of an error and no secret: a short one, and not in the query of a URL.
var errorNumber = regexp.MustCompile(`(?i)^code=\d{1,5}[.,:)]*$`)

// Mask returns text with what looks like a secret in it replaced by Redacted. It is the last net:
// whoever knows that something is a secret keeps it as a Text.
func Mask(text string) string {
	if !mayHold(text) {
		return text
	}
	return inText.ReplaceAllStringFunc(text, func(found string) string {
		if errorNumber.MatchString(found) {
			return found
		}
		return inText.ReplaceAllString(found, "${1}"+Redacted)
	})
}

// mayHold is the cheap test that nearly every text stops at.
func mayHold(text string) bool {
	return strings.ContainsRune(text, '=') || strings.Contains(text, "eyJ") || containsFold(text, "bearer")
}

func containsFold(text, lower string) bool {
	for i := 0; i+len(lower) <= len(text); i++ {
		if strings.EqualFold(text[i:i+len(lower)], lower) {
			return true
		}
	}
	return false
}
