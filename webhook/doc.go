// Package webhook is the grammar of webhook templates: URLs with placeholders
// and references to secrets, how they may be shown, and the patterns that say
// which events a template takes. It calls and reads
// nothing, so that the settings that are checked and the calls that are made read a
// template the same way.
package webhook
