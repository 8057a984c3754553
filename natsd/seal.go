package natsd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"sync"

	"github.com/hubgate/hubgate/regularfile"
)

const (
	// sealFile says how far the streams of a lone node's store had come. The
	// server cuts a stream off before the first record that it cannot read, and
	// says nothing; it can be seen by this.
	sealFile = "hubgate-records.json"
	maxSeal  = 1 << 20
)

// sealed are the numbers of the last records, as they were at least.
func (d *directory) sealed() (map[string]uint64, error) {
	text, err := regularfile.Read(filepath.Join(d.path, sealFile), maxSeal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var last map[string]uint64
	if err == nil {
		err = json.Unmarshal(text, &last)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s cannot be read (%w). Delete it if the store is known to be whole", ErrDamaged, sealFile, err)
	}
	return last, nil
}

// seals is what was noted last.
type seals struct {
	mu   sync.Mutex
	last map[string]uint64
}

// seal notes how far the streams of a lone node have come, if that is news.
func (e *Engine) seal() error {
	if e.opts.Cluster != nil || e.opts.DataDir == "" || e.storeStopped() {
		return nil
	}
	e.seals.mu.Lock()
	defer e.seals.mu.Unlock()
	last, err := e.copies()
	if err != nil || maps.Equal(last, e.seals.last) {
		return err
	}
	text, err := json.Marshal(last)
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(e.dir.path, sealFile), text); err != nil {
		return err
	}
	e.seals.last = last
	return nil
}
