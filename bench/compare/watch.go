package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// watchInterval is how often the metrics of a watched gateway are read.
const watchInterval = 100 * time.Millisecond

// watched is what the metrics of a gateway showed while a load ran.
type watched struct {
	// peakQueued is the most bytes that waited for clients.
	peakQueued float64
	// slow is how many clients were closed as slow, closedAfter how long bytes had waited for a
	// client when the first of them was.
	slow        float64
	closedAfter time.Duration

	waiting time.Time // since when bytes wait without a pause; zero while none do
}

// see takes a reading of the metrics.
func (w *watched) see(now time.Time, queued, slow float64) {
	w.peakQueued = max(w.peakQueued, queued)
	if w.slow == 0 && slow > 0 && !w.waiting.IsZero() {
		w.closedAfter = now.Sub(w.waiting)
	}
	w.slow = max(w.slow, slow)
	switch {
	case queued == 0:
		w.waiting = time.Time{}
	case w.waiting.IsZero():
		w.waiting = now
	}
}

// watch reads the metrics at url until stop is called, which returns what they showed.
func watch(ctx context.Context, url string) (stop func() watched) {
	ctx, cancel := context.WithCancel(ctx)
	var w watched
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(watchInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if queued, slow, err := readMetrics(ctx, url); err == nil {
				w.see(time.Now(), queued, slow)
			}
		}
	})
	return func() watched {
		cancel()
		done.Wait()
		return w
	}
}

func readMetrics(ctx context.Context, url string) (queued, slow float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	return parseMetrics(resp.Body)
}

// parseMetrics sums up the two series that are watched.
func parseMetrics(text io.Reader) (queued, slow float64, err error) {
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		series, value, _ := strings.Cut(lines.Text(), " ")
		into := &queued
		switch {
		case strings.HasPrefix(series, "hubgate_queued_bytes{"):
		case series == `hubgate_connections_closed_total{reason="SlowClient"}`:
			into = &slow
		default:
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, 0, err
		}
		*into += n
	}
	return queued, slow, lines.Err()
}
