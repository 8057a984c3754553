package resourcelog

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
)

// rotate begins a new file. The former ones get the next numbers, and the oldest goes.
func (o *output) rotate() error {
	if err := o.close(); err != nil {
		return err
	}
	keep := max(o.opts.Keep, 1)
	for i := keep; i >= 1; i-- {
		from := o.opts.Path
		if i > 1 {
			from += "." + strconv.Itoa(i-1)
		}
		if err := os.Rename(from, o.opts.Path+"."+strconv.Itoa(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return o.open()
}
