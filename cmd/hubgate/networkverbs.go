package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hubgate/hubgate/management"
)

// networkRuleCommand shows and changes which requests are let in.
type networkRuleCommand struct {
	List   networkListCommand   `cmd:"" help:"List the rules about requests and addresses of the running gateway."`
	Update networkUpdateCommand `cmd:"" help:"Say which kinds of requests are let in."`
	IPRule struct {
		Add    ipRuleAddCommand    `cmd:"" help:"Add rules about addresses at the end of the list."`
		Remove ipRuleRemoveCommand `cmd:"" help:"Remove rules about addresses."`
	} `cmd:"" name:"ip-rule" help:"Rules about addresses: the first that has the caller's address decides."`
}

type networkListCommand struct{ managing }

// Run lists rules.
func (c *networkListCommand) Run(env *environment) error {
	v, _, err := c.current(env.ctx)
	if err != nil {
		return err
	}
	return c.printRules(env, &v)
}

func (c *managing) printRules(env *environment, v *management.Version) error {
	acls := v.Document.Properties.NetworkACLs
	rows := [][]string{{"publicNetworkAccess", v.Document.Properties.PublicNetworkAccess}, {"defaultAction", acls.DefaultAction}}
	if p := acls.PublicNetwork; p != nil {
		rows = append(rows, []string{"allow", strings.Join(p.Allow, " ")}, []string{"deny", strings.Join(p.Deny, " ")})
	}
	for i, r := range acls.IPRules {
		rows = append(rows, []string{fmt.Sprintf("ipRules[%d]", i), r.Action + " " + r.Value})
	}
	return c.print(env, acls, nil, rows)
}

// changeRules changes the rules of the running gateway.
func (c *changing) changeRules(env *environment, edit func(acls *management.NetworkACLs) error) error {
	v, err := c.change(env, func(p *management.Properties) (map[string]any, error) {
		acls := *p.NetworkACLs
		if err := edit(&acls); err != nil {
			return nil, err
		}
		return map[string]any{"networkACLs": aclsPatch(&acls)}, nil
	})
	if err != nil {
		return err
	}
	return c.printRules(env, &v)
}

// aclsPatch has all lists, since a merge patch leaves alone what it does not name.
func aclsPatch(acls *management.NetworkACLs) map[string]any {
	public := management.NetworkACL{}
	if acls.PublicNetwork != nil {
		public = *acls.PublicNetwork
	}
	rules := acls.IPRules
	if rules == nil {
		rules = []management.IPRule{}
	}
	return map[string]any{
		"defaultAction": acls.DefaultAction, "ipRules": rules,
		"publicNetwork": map[string]any{"allow": append([]string{}, public.Allow...), "deny": append([]string{}, public.Deny...)},
	}
}

type networkUpdateCommand struct {
	changing
	DefaultAction string   `help:"What happens to kinds of requests in neither list: Allow or Deny." placeholder:"ACTION"`
	Allow         []string `help:"Kinds of requests that are let in if the default is Deny: ClientConnection, ServerConnection, RESTAPI, Trace." placeholder:"KIND"`
	Deny          []string `help:"Kinds of requests that are refused if the default is Allow." placeholder:"KIND"`
	PublicNetwork bool     `help:"For the public network, which is the only one here; as with az." hidden:""`
}

// Run changes which kinds of requests are let in.
func (c *networkUpdateCommand) Run(env *environment) error {
	return c.changeRules(env, func(acls *management.NetworkACLs) error {
		if c.DefaultAction == "" && c.Allow == nil && c.Deny == nil {
			return usage(errors.New("nothing to change: --default-action, --allow or --deny"))
		}
		if c.DefaultAction != "" {
			acls.DefaultAction = c.DefaultAction
		}
		public := management.NetworkACL{}
		if acls.PublicNetwork != nil {
			public = *acls.PublicNetwork
		}
		if c.Allow != nil {
			public.Allow = c.Allow
		}
		if c.Deny != nil {
			public.Deny = c.Deny
		}
		acls.PublicNetwork = &public
		return nil
	})
}

type ipRuleAddCommand struct {
	changing
	Rules []string `arg:"" help:"Rules: NETWORK=Allow or NETWORK=Deny, such as 10.0.0.0/8=Deny."`
}

// Run adds rules.
func (c *ipRuleAddCommand) Run(env *environment) error {
	return c.changeRules(env, func(acls *management.NetworkACLs) error {
		for _, text := range c.Rules {
			network, action, ok := strings.Cut(text, "=")
			if !ok {
				return usage(fmt.Errorf("%q is not NETWORK=Allow or NETWORK=Deny", text))
			}
			acls.IPRules = append(acls.IPRules, management.IPRule{Value: network, Action: action})
		}
		return nil
	})
}

type ipRuleRemoveCommand struct {
	changing
	Rules []string `arg:"" help:"Rules as they were added, or networks: then all rules about them."`
}

// Run removes rules.
func (c *ipRuleRemoveCommand) Run(env *environment) error {
	return c.changeRules(env, func(acls *management.NetworkACLs) error {
		for _, text := range c.Rules {
			network, action, _ := strings.Cut(text, "=")
			var left []management.IPRule
			for _, r := range acls.IPRules {
				if r.Value != network || action != "" && !strings.EqualFold(action, r.Action) {
					left = append(left, r)
				}
			}
			if len(left) == len(acls.IPRules) {
				return fmt.Errorf("there is no rule %s", text)
			}
			acls.IPRules = left
		}
		return nil
	})
}
