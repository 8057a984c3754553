package restapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// receipts is what Hubs may be able to do besides: to say what came of a send. *gateway.Gateway is.
type receipts interface {
	Receipt(ctx context.Context, cmd *gateway.Command) (r gateway.Receipt, whole bool, err error)
}

const (
	// PreferHeader of a send asks for a receipt: "return=representation", and "wait=SECONDS" (RFC 7240).
	PreferHeader = "Prefer"
	// AppliedHeader of the answer says which preferences were heeded.
	AppliedHeader = "Preference-Applied"

	wantsReceipt = "return=representation"
	// receiptWait is how long is waited for what comes of a send; a caller may ask for up to maxReceiptWait.
	receiptWait    = 300 * time.Millisecond
	maxReceiptWait = 10 * time.Second
)

// preference is what a caller prefers.
type preference struct {
	receipt bool
	// wait is in force if waits is set. It is what the caller wrote: each operation has a bound of its own.
	wait  time.Duration
	waits bool
}

// parsePrefer reads the header. What it does not know, or cannot read, is no preference; of preferences that
// come twice the first counts (RFC 7240).
func parsePrefer(values []string) (p preference) {
	returns := false
	for _, value := range values {
		for one := range strings.SplitSeq(value, ",") {
			name, parameter, _ := strings.Cut(one, "=")
			parameter, _, _ = strings.Cut(parameter, ";")
			parameter = strings.Trim(strings.TrimSpace(parameter), `"`)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "return":
				p.receipt = p.receipt || !returns && strings.EqualFold(parameter, "representation")
				returns = true
			case "wait":
				if seconds, err := strconv.ParseUint(parameter, 10, 31); err == nil && !p.waits {
					p.wait, p.waits = time.Duration(seconds)*time.Second, true
				}
			}
		}
	}
	return p
}

// receiptWait is how long is waited for a receipt.
func (p *preference) receiptWait() time.Duration {
	if !p.waits {
		return receiptWait
	}
	return min(p.wait, maxReceiptWait)
}

// applied is what is said of the preferences that were heeded.
func (p *preference) applied() string {
	if !p.waits {
		return wantsReceipt
	}
	return wantsReceipt + ", wait=" + strconv.Itoa(int(p.receiptWait()/time.Second))
}

// receipt is the answer to a send whose caller wants one.
type receipt struct {
	Matched int `json:"matched"`
	Written int `json:"written"`
	Queued  int `json:"queued"`
	// Dropped is by reason, those of 0 included.
	Dropped map[gateway.DropReason]int `json:"dropped"`
	// Nodes have reported; Complete says that all have that were asked.
	Nodes    int  `json:"nodes"`
	Complete bool `json:"complete"`
}

// sendWithReceipt sends, and waits for what comes of it. Heeded is false if nobody can say.
func (s *server) sendWithReceipt(ctx context.Context, c *call, cmd *gateway.Command) (heeded bool, err error) {
	hubs, can := s.Hubs.(receipts)
	if !can {
		return false, nil
	}
	waiting, cancel := context.WithTimeout(ctx, c.wants.prefer.receiptWait())
	defer cancel()
	r, whole, err := hubs.Receipt(waiting, cmd)
	if err != nil {
		return true, err
	}
	c.receipt, err = json.Marshal(receipt{Matched: r.Matched, Written: r.Written, Queued: r.Queued, Dropped: r.Dropped(), Nodes: r.Nodes, Complete: whole})
	return true, err
}

// writeReceipt answers with the receipt in the place of a bare 202.
func (c *call) writeReceipt() {
	body := c.receipt
	c.receipt = nil
	h := c.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set(AppliedHeader, c.wants.prefer.applied())
	c.WriteHeader(http.StatusOK)
	_, _ = c.Write(body) // a caller that left needs no answer
}
