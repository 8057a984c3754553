// Package resourcelog writes what happens as JSON lines in the schema of Azure's resource logs.
package resourcelog

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/hubgate/hubgate/internal/azurelog"
	"github.com/hubgate/hubgate/internal/flight"
)

// Options are what a Log is made of.
type Options struct {
	// Path is the file, or "-" for Stdout.
	Path   string
	Stdout io.Writer
	// MaxBytes is the size at which a file becomes Path.1, and that Path.2, and so on, of which Keep stay. 0: the
	// file grows.
	MaxBytes int64
	Keep     int
	// Resource and Location are in each record.
	Resource, Location string
	// Wants says whether records of the category are written. It is called concurrently.
	Wants func(azurelog.Category) bool
	// Failed is told that a record could not be written, by the writer's goroutine.
	Failed func(error)
}

// maxWaiting is how many records wait for the writer. Further ones are dropped and counted.
const maxWaiting = 4096

// Log writes records. Event never waits for it. All methods may be called concurrently.
type Log struct {
	opts    Options
	queue   chan *flight.Event
	reopen  chan struct{}
	written atomic.Uint64
	dropped atomic.Uint64
	over    chan struct{}
	ended   sync.WaitGroup
	once    sync.Once
}

// Open opens the file and begins to write. The error is that of the file.
func Open(opts Options) (*Log, error) {
	l := &Log{opts: opts, queue: make(chan *flight.Event, maxWaiting), reopen: make(chan struct{}, 1), over: make(chan struct{})}
	out := &output{opts: &l.opts, written: &l.written, dropped: &l.dropped}
	if err := out.open(); err != nil {
		return nil, err
	}
	l.ended.Go(func() { l.write(out) })
	return l, nil
}

// Wants says whether records of a category are written.
func (l *Log) Wants(of azurelog.Category) bool { return l.opts.Wants(of) }

// Event writes an event soon, if its category is wanted. The event must not be changed afterwards.
func (l *Log) Event(e *flight.Event) {
	if !l.Wants(azurelog.CategoryOf(e)) {
		return
	}
	select {
	case l.queue <- e:
	default:
		l.dropped.Add(1)
	}
}

// Reopen has the file opened anew, after somebody has moved it.
func (l *Log) Reopen() {
	select {
	case l.reopen <- struct{}{}:
	default:
	}
}

// Counts returns how many records were written, and how many dropped: the writer was too slow, or could not write.
func (l *Log) Counts() (written, dropped uint64) { return l.written.Load(), l.dropped.Load() }

// Close writes what waits and closes the file.
func (l *Log) Close() {
	l.once.Do(func() { close(l.over) })
	l.ended.Wait()
}

func (l *Log) write(out *output) {
	defer func() { l.check(out.close()) }()
	for {
		select {
		case e := <-l.queue:
			l.put(out, e)
			if len(l.queue) == 0 {
				l.check(out.flush())
			}
		case <-l.reopen:
			l.check(out.close())
			l.check(out.open())
		case <-l.over:
			for len(l.queue) > 0 {
				l.put(out, <-l.queue)
			}
			return
		}
	}
}

func (l *Log) put(out *output, e *flight.Event) {
	line, err := json.Marshal(azurelog.RecordOf(e, l.opts.Resource, l.opts.Location))
	if err != nil {
		l.dropped.Add(1)
		l.check(err)
		return
	}
	l.check(out.line(append(line, '\n')))
}

func (l *Log) check(err error) {
	if err != nil && l.opts.Failed != nil {
		l.opts.Failed(err)
	}
}

// output is the file. One goroutine uses it.
type output struct {
	opts   *Options
	file   *os.File // nil for Stdout, and after an error
	buffer *bufio.Writer
	size   int64
	// waiting are the lines in the buffer. A line counts as written or as dropped when it has left it.
	waiting          uint64
	written, dropped *atomic.Uint64
}

func (o *output) open() error {
	if o.opts.Path == "-" {
		o.buffer = bufio.NewWriter(o.opts.Stdout)
		return nil
	}
	file, err := os.OpenFile(o.opts.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	o.file, o.size, o.buffer = file, info.Size(), bufio.NewWriter(file)
	return nil
}

// line takes a line, which is counted from then on.
func (o *output) line(line []byte) error {
	if err := o.ready(len(line)); err != nil {
		o.dropped.Add(1)
		return err
	}
	o.size += int64(len(line))
	o.waiting++
	_, err := o.buffer.Write(line)
	return o.broken(err)
}

// ready makes room for a line. The buffer holds whole lines, so that it is known which ones an error loses.
func (o *output) ready(size int) error {
	if o.buffer == nil {
		if err := o.open(); err != nil { // perhaps it can be opened again
			return err
		}
	}
	if most := o.opts.MaxBytes; o.file != nil && most > 0 && o.size > 0 && o.size+int64(size) > most {
		return o.rotate()
	}
	if o.buffer.Available() >= size {
		return nil
	}
	return o.flush()
}

func (o *output) flush() error {
	if o.buffer == nil {
		return nil
	}
	if err := o.broken(o.buffer.Flush()); err != nil {
		return err
	}
	o.written.Add(o.waiting)
	o.waiting = 0
	return nil
}

// broken gives up what waits and the file after an error, so that the next line tries anew.
func (o *output) broken(err error) error {
	if err != nil {
		o.dropped.Add(o.waiting)
		o.waiting = 0
		o.release()
	}
	return err
}

// close writes what waits and closes the file.
func (o *output) close() error {
	err := o.flush()
	o.release()
	return err
}

func (o *output) release() {
	if o.file != nil {
		o.file.Close()
	}
	o.file, o.buffer = nil, nil
}
