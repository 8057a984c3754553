package webhook

// Echo, in the place of a URL template, is a webhook that the gateway has itself: it answers every
// call with the arguments of the call. It is for trying things out.
const Echo = "echo"

// IsEcho says whether a URL template is the webhook that the gateway has itself.
func IsEcho(template string) bool { return template == Echo }
