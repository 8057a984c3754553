package main

import (
	"context"
	"fmt"
	"net/http"
)

// users are those of all clients of a plan.
func (p *plan) users() (users []string) {
	for i := range p.clients - p.official {
		users = append(users, fmt.Sprintf("u-go%d", i))
	}
	for i := range p.official {
		users = append(users, fmt.Sprintf("u-npm%d", i))
	}
	return users
}

// enroll puts users into their standing groups, as soon as the store takes that.
func (c *cluster) enroll(ctx context.Context, users []string) error {
	requests := newRest(c.key, false)
	for _, user := range users {
		path := hubPath + "/users/" + user + "/groups/" + standingOf(user)
		last := 0
		err := until(ctx, readyTime, func() bool {
			status, err := requests.do(ctx, http.MethodPut, c.url(), path, nil)
			last = status
			return err == nil && status == http.StatusOK
		})
		if err != nil {
			return fmt.Errorf("the store does not take users: status %d: %w", last, err)
		}
	}
	return nil
}
