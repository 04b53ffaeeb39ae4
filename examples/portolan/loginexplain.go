package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

// sourceFinding is what one source of credentials has for a host.
type sourceFinding struct {
	Source   string       `json:"source"`
	Outcome  auth.Outcome `json:"outcome"`
	Kind     string       `json:"kind,omitempty"`
	Username string       `json:"username,omitempty"`
	Expires  time.Time    `json:"expires,omitzero"`
	Reason   string       `json:"reason,omitempty"`
}

// explain prints what each source has, and fails where none answers.
func (a *app) explain(ctx context.Context, host string) error {
	asked, err := auth.ParseResource(host)
	if err != nil {
		return usageError{err}
	}
	client, err := a.registryClient(asked.Host)
	if err != nil {
		return err
	}
	resource, findings, err := client.ExplainCredentials(ctx, host)
	if err != nil {
		return err
	}
	if resource != asked {
		a.note("%s is served at %s, as hosts are configured", asked, resource)
	}
	answered, rows := false, []sourceFinding{}
	for _, f := range findings {
		answered = answered || f.Outcome == auth.OutcomeAnswers
		rows = append(rows, sourceFinding{f.Origin.String(), f.Outcome, f.Kind, f.Username, f.Expires, f.Reason})
	}
	err = a.print(rows, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "SOURCE\tOUTCOME\tKIND\tUSER\tREASON")
		for _, s := range rows {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", cell(s.Source, 100), s.Outcome, s.Kind, cell(s.Username, 40), cell(s.Reason, 200))
		}
	})
	if err == nil && !answered {
		err = fmt.Errorf("%w: no source has a credential for %s", registry.ErrUnauthorized, resource)
	}
	return err
}
