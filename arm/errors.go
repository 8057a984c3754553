package arm

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Error is the body of an answer that says no, in the shape that the clients of Azure's resource API read.
type Error struct {
	Status  int           `json:"-"`
	Code    string        `json:"code"`
	Message string        `json:"message"`
	Target  string        `json:"target,omitempty"` // the property, "properties.cors.allowedOrigins[0]" for example
	Details []ErrorDetail `json:"details,omitempty"`
}

// ErrorDetail is one of several things that are wrong.
type ErrorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Target  string `json:"target,omitempty"`
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func refuse(status int, code, format string, values ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, values...)}
}

func badRequest(code, format string, values ...any) *Error {
	return refuse(http.StatusBadRequest, code, format, values...)
}

// write answers with the error.
func (e *Error) write(w http.ResponseWriter) {
	w.Header().Set("x-ms-failure-cause", "service")
	writeJSON(w, e.Status, map[string]*Error{"error": e})
}

// writeJSON answers with a body that nobody may keep: it may hold keys.
func writeJSON(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil { // a bug: bodies are made of texts and numbers
		http.Error(w, "the answer cannot be written", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(data) // a reader that left needs no answer
}
