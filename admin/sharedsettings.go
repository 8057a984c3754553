package admin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// SharedSettings is what a node knows of the settings that the nodes share.
type SharedSettings struct {
	// Known: the store has told. Number is that of the last text, 0 for none.
	Known  bool   `json:"known"`
	Number uint64 `json:"version"`
	// Error is why the last text is not in force here, "" if it is.
	Error string `json:"error,omitempty"`
}

// SharedText is a text and its number. Number 0 stands for none.
type SharedText struct {
	Number uint64
	Text   []byte
}

var (
	// ErrInvalid is the error for settings that this node could not put in force.
	ErrInvalid = errors.New("the settings were not changed")
	// ErrConflict is the error for a change that does not follow the settings in force.
	ErrConflict = errors.New("the settings were not changed")
	// ErrAlone is the error for both, seeing and changing, at a node without others.
	ErrAlone = errors.New("this node is alone and shares no settings; hubgate settings shows and changes its own")
)

// inForce is the number of the text in force, 0 if none is.
func (s SharedSettings) inForce() uint64 {
	if s.Error != "" {
		return 0
	}
	return s.Number
}

// oddities are lines about what should not be.
func (s SharedSettings) oddities() []string {
	switch {
	case s.Error != "":
		return []string{fmt.Sprintf("version %d of the shared settings is not in force here: %s", s.Number, s.Error)}
	case !s.Known:
		return []string{"the shared settings are not known here, since the store has not answered: those of this node are in force"}
	}
	return nil
}

// maxSharedText bounds what is read of a text. The store takes less.
const maxSharedText = 1 << 20

// proven lets a request through that may see and change what is secret.
func (a *Admin) proven(handle func(c Cluster, w http.ResponseWriter, r *http.Request)) http.HandlerFunc {
	return a.clustered(func(c Cluster, w http.ResponseWriter, r *http.Request) {
		err := errors.New("shared settings need a token, and this node checks none")
		if v := a.view.Load(); v.Prove != nil {
			err = v.Prove(r)
		}
		if err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			text(w, http.StatusUnauthorized, err.Error()+"\n")
			return
		}
		handle(c, w, r)
	})
}

func serveSettings(c Cluster, w http.ResponseWriter, r *http.Request) {
	now, err := c.Settings(r.Context())
	if err != nil {
		text(w, statusOf(err), err.Error()+"\n")
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("ETag", etag(now.Number))
	_, _ = w.Write(now.Text) // a reader that left needs no answer
}

// serveChange stores other settings. If-Match names the version that they follow, so that of two writers
// one is told.
func serveChange(c Cluster, w http.ResponseWriter, r *http.Request) {
	after, err := strconv.ParseUint(strings.Trim(r.Header.Get("If-Match"), `"`), 10, 64)
	if err != nil {
		text(w, http.StatusPreconditionRequired, "If-Match has to name the version that is changed, as GET gives it in ETag\n")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSharedText))
	if err != nil {
		text(w, http.StatusRequestEntityTooLarge, err.Error()+"\n")
		return
	}
	number, err := c.ChangeSettings(r.Context(), body, after)
	if err != nil {
		text(w, statusOf(err), err.Error()+"\n")
		return
	}
	w.Header().Set("ETag", etag(number))
	text(w, http.StatusOK, fmt.Sprintf("version %d\n", number))
}

func etag(number uint64) string { return fmt.Sprintf("%q", strconv.FormatUint(number, 10)) }

func statusOf(err error) int {
	switch {
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrAlone):
		return http.StatusBadRequest
	case errors.Is(err, ErrConflict):
		return http.StatusPreconditionFailed
	}
	return http.StatusServiceUnavailable
}
