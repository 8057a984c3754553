package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/doctor"
)

// doctorCommand looks for what stands between clients and a gateway.
type doctorCommand struct {
	URL string `arg:"" optional:"" help:"URL at which clients reach the gateway, through all proxies. Without it: that of the connection string."`
	adminAccess
	Output   string        `short:"o" enum:"table,json" default:"table" help:"Print a table or JSON."`
	NoAdmin  bool          `help:"Do not ask the admin address."`
	Hub      string        `help:"Hub that the doctor enters as a client." default:"doctor"`
	Patience time.Duration `help:"How long to wait for what should come at once." default:"5s"`
}

// doctorTime bounds the whole examination.
const doctorTime = 3 * time.Minute

var errIll = errors.New("something does not work: see the causes and cures above")

// Run prints the findings. That something failed is an error; a warning is none.
func (c *doctorCommand) Run(env *environment) error {
	if err := checkHub(c.Hub); err != nil {
		return err
	}
	p, err := c.patient()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(env.ctx, doctorTime)
	defer cancel()
	findings := doctor.Examine(ctx, p)
	if c.Output == "json" {
		err = printJSON(env.stdout, findings)
	} else {
		err = printFindings(env.stdout, findings)
	}
	if err == nil && doctor.Worst(findings) == doctor.Failed {
		err = errIll
	}
	return err
}

func (c *doctorCommand) patient() (*doctor.Patient, error) {
	cs, err := c.parse()
	if err != nil {
		return nil, err
	}
	at := cs.Endpoint
	if c.URL != "" {
		if at, err = url.Parse(c.URL); err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
			return nil, usage(fmt.Errorf("%q is no http:// or https:// URL", c.URL))
		}
	}
	p := &doctor.Patient{
		URL: at, Hub: c.Hub, Patience: c.Patience,
		ClientToken: func() (string, error) {
			return auth.SignClient(cs.AccessKey, base(cs.Endpoint), c.Hub, auth.ClientTokenSpec{UserID: "doctor", Lifetime: pageTokenLifetime, Diagnostic: true})
		},
	}
	if p.TLS, err = c.config(); err != nil || c.NoAdmin {
		return p, err
	}
	switch p.AdminURL, err = adminURL(c.Admin); {
	case errors.Is(err, errAdminOff):
		return p, nil // what it would tell is skipped
	case err != nil:
		return nil, err
	}
	p.Admin = c.look
	return p, nil
}

// look asks the admin address for a path.
func (c *doctorCommand) look(ctx context.Context, path string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Patience+clusterTime)
	defer cancel()
	err = c.send(ctx, http.MethodGet, path, nil, nil, func(r *http.Response) error {
		status = r.StatusCode
		body, err = io.ReadAll(r.Body)
		return err
	})
	if _, unreached := errors.AsType[*unreachedError](err); err != nil && !unreached {
		return http.StatusServiceUnavailable, []byte(err.Error()), nil // it answered
	}
	return status, body, err
}

func printFindings(w io.Writer, findings []doctor.Finding) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.Level, f.Check, cmp.Or(f.Text, "–"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, f := range findings {
		if f.Cause == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s: %s\n  cause: %s\n  cure:  %s\n", f.Check, f.Text, f.Cause, f.Cure); err != nil {
			return err
		}
	}
	return nil
}
