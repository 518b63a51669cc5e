package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// amend changes the policy with this name as f says. One that is equal afterwards has not been changed.
func (d *draft) amend(name string, f func(*Policy) error) error {
	i, found := d.findPolicy(name)
	if !found {
		return refuse(WhyUnknown, "there is no policy %.64q; troupe policy list names those that are there", name)
	}
	p := d.Policies[i]
	if err := f(&p); err != nil {
		return err
	}
	if p.Active.Version != p.Previous.Version || p.Active.Version == p.Earlier.Version {
		p.Earlier = PolicyUse{}
	}
	if p.same(&d.Policies[i]) {
		return nil
	}
	p.Version = d.Version
	d.ownPolicies()
	d.Policies[i] = p
	d.police()
	return nil
}

// same compares all that a change may change; the note alone is no change.
func (p *Policy) same(o *Policy) bool {
	return p.Order == o.Order && p.Next == o.Next && slices.Equal(p.Versions, o.Versions) &&
		p.Active == o.Active && p.Previous == o.Previous && p.Earlier == o.Earlier && p.Shadow == o.Shadow
}

func (d *draft) ownPolicies() {
	if !d.ownsPolicies {
		d.Policies, d.ownsPolicies = slices.Clone(d.Policies), true
	}
}

// police notes that what is said about policies has changed.
func (d *draft) police() { d.PoliciesAt, d.changed = d.Version, true }

func (d *draft) register(c *RegisterPolicy) error {
	if err := d.canHavePolicies(); err != nil {
		return err
	}
	m := d.Module(c.Digest)
	switch {
	case !ValidPolicyName(c.Name):
		return refuse(WhyInvalid, "a policy cannot be called %.80q: a name has 1 to 64 of a-z, 0-9, '_', '-' and '.', and begins with a letter", c.Name)
	case m == nil:
		return refuse(WhyUnknown, "there is no module %s; push it first", c.Digest.Short())
	case !m.Whole():
		return refuse(WhyStale, "module %s is not whole: %d of its %d chunks have come; push the others", c.Digest.Short(), len(m.Chunks), Parts(m.Size))
	case len(c.Label) > MaxText:
		return refuse(WhyInvalid, "the version of policy %s has %d bytes; at most %d", c.Name, len(c.Label), MaxText)
	}
	i, found := d.findPolicy(c.Name)
	if !found {
		if len(d.Policies) >= MaxPolicies {
			return refuse(WhyInvalid, "the cluster has %d policies, and cannot have more: forget one", MaxPolicies)
		}
		d.ownPolicies()
		d.Policies = slices.Insert(d.Policies, i, Policy{Name: c.Name, Next: 1})
	}
	return d.amend(c.Name, func(p *Policy) error {
		p.Order = c.Order
		if p.Of(c.Digest) != nil {
			return nil
		}
		if len(p.Versions) >= MaxPolicyVersions {
			return refuse(WhyInvalid, "policy %s has %d versions, and cannot have more: forget those that are not needed", p.Name, MaxPolicyVersions)
		}
		p.Versions = append(slices.Clip(p.Versions), PolicyVersion{Number: p.Next, Digest: c.Digest, Label: c.Label, Pushed: c.At})
		p.Next++
		p.Note = ""
		return nil
	})
}

// version finds the version that a command means, and refuses one that must not be in force.
func (d *draft) version(p *Policy, number uint32) (*PolicyVersion, error) {
	if number == 0 {
		number = p.Versions[len(p.Versions)-1].Number
	}
	v := p.At(number)
	if v == nil {
		return nil, refuse(WhyUnknown, "policy %s has no version %d; it has %s", p.Name, number, p.numbers())
	}
	if q := d.Quarantined(v.Digest); q != nil {
		return nil, refuse(WhyUnsafe, "version %d of policy %s (%s) is quarantined: %s; push a mended one, or lift the quarantine: troupe policy quarantine %s --version %d --lift",
			v.Number, p.Name, v.Digest.Short(), q.Reason, p.Name, v.Number)
	}
	return v, nil
}

func (p *Policy) numbers() string {
	var words []string
	for _, v := range p.Versions {
		words = append(words, fmt.Sprint(v.Number))
	}
	return strings.Join(words, ", ")
}

func checkUse(name, settings, note string) error {
	switch {
	case len(settings) > MaxPolicySettings:
		return refuse(WhyInvalid, "the settings of policy %.64s have %d bytes; at most %d", name, len(settings), MaxPolicySettings)
	case len(note) > MaxReason:
		return refuse(WhyInvalid, "a note has %d bytes; at most %d", len(note), MaxReason)
	}
	return nil
}

func (d *draft) activate(c *ActivatePolicy) error {
	if err := checkUse(c.Name, c.Settings, c.Note); err != nil {
		return err
	}
	return d.amend(c.Name, func(p *Policy) error {
		v, err := d.version(p, c.Version)
		if err != nil {
			return err
		}
		if words := d.Unready(d.Module(v.Digest)); len(words) > 0 {
			return refuse(WhyUnsafe, "version %d of policy %s (%s) cannot be activated: every node that may lead must be ready for it, and %s",
				v.Number, p.Name, v.Digest.Short(), few(words))
		}
		use := PolicyUse{Version: v.Number, Settings: c.Settings}
		switch {
		case use == p.Active:
			return nil
		case c.If != nil && *c.If != p.Active:
			return refuse(WhyStale, "policy %s has been changed meanwhile, and nothing was done: in force is %s; look at that, and activate again", p.Name, p.Active.describe())
		}
		if p.Active.Version != 0 {
			if p.Active.Version == use.Version && p.Previous.Version < use.Version && d.allRead(FormatLoose) == nil {
				p.Earlier = p.Previous // not a later version: that was gone back from
			}
			p.Previous = p.Active
		}
		p.Active, p.Note, p.Since = use, c.Note, c.At
		if p.Shadow == use {
			p.Shadow = PolicyUse{}
		}
		return nil
	})
}

// describe says what is in force.
func (u PolicyUse) describe() string {
	switch {
	case u.Version == 0:
		return "nothing"
	case u.Settings == "":
		return fmt.Sprintf("version %d with all settings at their defaults", u.Version)
	}
	return fmt.Sprintf("version %d with %.300s", u.Version, u.Settings)
}

// few joins sentences, as many as a reader takes in.
func few(words []string) string {
	const most = 3
	if len(words) > most {
		return strings.Join(words[:most], "; ") + fmt.Sprintf("; and %d more", len(words)-most)
	}
	return strings.Join(words, "; ")
}

func (d *draft) shadow(c *ShadowPolicy) error {
	if err := checkUse(c.Name, c.Settings, ""); err != nil {
		return err
	}
	return d.amend(c.Name, func(p *Policy) error {
		if c.Version == 0 {
			p.Shadow = PolicyUse{}
			return nil
		}
		v, err := d.version(p, c.Version)
		if err != nil {
			return err
		}
		use := PolicyUse{Version: v.Number, Settings: c.Settings}
		if use == p.Active {
			return refuse(WhyInvalid, "version %d of policy %s is in force with these settings: there is nothing to compare", v.Number, p.Name)
		}
		p.Shadow = use
		return nil
	})
}

func (d *draft) retire(c *RetirePolicy) error {
	if err := checkUse(c.Name, "", c.Note); err != nil {
		return err
	}
	return d.amend(c.Name, func(p *Policy) error {
		if c.If != 0 && p.Active.Version != c.If {
			return refuse(WhyStale, "version %d of policy %s is not in force any more; version %d is", c.If, p.Name, p.Active.Version)
		}
		if c.Leave != nil && *c.Leave != p.Active {
			return refuse(WhyStale, "policy %s has been changed meanwhile, and nothing was done: in force is %s; look at that, and ask again", p.Name, p.Active.describe())
		}
		was := p.Active
		switch c.How {
		case RetreatRollback:
			if was.Version == 0 && p.Previous.Version == 0 {
				return refuse(WhyUnknown, "policy %s has nothing to go back to: no version is in force, and none was before", p.Name)
			}
			p.Active, p.Previous = p.Previous, was
		case RetreatDeactivate:
			if was.Version != 0 {
				p.Active, p.Previous = PolicyUse{}, was
			}
		case RetreatReset:
			p.Active, p.Previous, p.Earlier, p.Shadow = PolicyUse{}, PolicyUse{}, PolicyUse{}, PolicyUse{}
		default:
			return refuse(WhyInvalid, "a policy is rolled back, deactivated or reset, and not %d", c.How)
		}
		p.Note = c.Note
		if p.Active != was {
			p.Since = c.At
		}
		return nil
	})
}

func (d *draft) quarantine(c *QuarantineModule) error {
	if err := d.canHavePolicies(); err != nil {
		return err
	}
	if err := c.Digest.validate(); err != nil {
		return err
	}
	i, found := d.findQuarantined(c.Digest)
	if c.Lift {
		if found {
			d.Quarantine = slices.Delete(slices.Clone(d.Quarantine), i, i+1)
			d.police()
		}
		d.acquit(c.Digest)
		return nil
	}
	switch {
	case c.Reason == "" || len(c.Reason) > MaxReason:
		return refuse(WhyInvalid, "a quarantine has a reason of 1 to %d bytes; this one has %d", MaxReason, len(c.Reason))
	case len(c.Policy) > MaxText:
		return refuse(WhyInvalid, "the name of a policy has %d bytes; at most %d", len(c.Policy), MaxText)
	case found:
		return nil
	}
	d.acquit(c.Digest)
	d.Quarantine = slices.Insert(slices.Clone(d.Quarantine), i, Quarantined{Digest: c.Digest, Policy: c.Policy, Reason: c.Reason, At: c.At})
	if len(d.Quarantine) > MaxQuarantined {
		d.Quarantine = slices.DeleteFunc(d.Quarantine, d.oldestQuarantine())
	}
	d.police()
	for _, p := range d.Policies {
		if v := p.Of(c.Digest); v != nil {
			mustEdit(d.amend(p.Name, func(p *Policy) error { p.withdraw(v.Number, c); return nil }))
		}
	}
	return nil
}

// oldestQuarantine picks the one to give way: of equal age the first, and never one whose module is still a policy's unless
// all are.
func (d *draft) oldestQuarantine() func(Quarantined) bool {
	old := slices.MinFunc(d.Quarantine, func(a, b Quarantined) int {
		return cmp.Or(d.unused(a.Digest, b.Digest), cmp.Compare(a.At, b.At), cmp.Compare(a.Digest, b.Digest))
	})
	return func(q Quarantined) bool { return q.Digest == old.Digest }
}

// withdraw takes a version out of force: what was before it comes back, not the same one with other settings.
func (p *Policy) withdraw(number uint32, c *QuarantineModule) {
	if p.Shadow.Version == number {
		p.Shadow = PolicyUse{}
	}
	if p.Previous.Version == number {
		p.Previous = PolicyUse{}
	}
	if p.Earlier.Version == number {
		p.Earlier = PolicyUse{}
	}
	if p.Active.Version != number {
		return
	}
	p.Active, p.Previous, p.Since = cmp.Or(p.Previous, p.Earlier), PolicyUse{}, c.At
	if p.Note = fmt.Sprintf(quarantineNote+"%s", number, c.Reason); len(p.Note) > MaxReason {
		p.Note = p.Note[:MaxReason]
	}
}

func (d *draft) forgetPolicies(c *ForgetPolicies) error {
	if c.Name != "" {
		if err := d.forgetVersions(c); err != nil {
			return err
		}
	}
	for n, digest := range c.Modules {
		if n > 0 && digest <= c.Modules[n-1] {
			return refuse(WhyInvalid, "modules ascend by digest, each once; %s does not", digest.Short())
		}
		d.dropModule(digest)
	}
	return nil
}

// dropModule drops a module that is no version of a policy.
func (d *draft) dropModule(digest Digest) {
	if i, found := d.findModule(digest); found && !d.Used(digest) {
		d.ownModules()
		d.Modules, d.changed = slices.Delete(d.Modules, i, i+1), true
	}
}

func (d *draft) forgetVersions(c *ForgetPolicies) error {
	var gone []Digest
	err := d.amend(c.Name, func(p *Policy) error {
		for _, number := range c.Versions {
			switch {
			case p.At(number) == nil:
				return refuse(WhyUnknown, "policy %s has no version %d; it has %s", p.Name, number, p.numbers())
			case p.Uses(number):
				return refuse(WhyUnsafe, "version %d of policy %s is in use, as active, previous or shadow, or as what was in force before a change of settings: deactivate or reset the policy first", number, p.Name)
			}
		}
		var kept []PolicyVersion
		for _, v := range p.Versions {
			if !p.Uses(v.Number) && (len(c.Versions) == 0 || slices.Contains(c.Versions, v.Number)) {
				gone = append(gone, v.Digest)
			} else {
				kept = append(kept, v)
			}
		}
		if len(gone) == 0 {
			return refuse(WhyUnsafe, "every version of policy %s is in use, as active, previous or shadow, or as what was in force before a change of settings: deactivate or reset the policy first", p.Name)
		}
		p.Versions = kept
		return nil
	})
	if err != nil {
		return err
	}
	if i, _ := d.findPolicy(c.Name); len(d.Policies[i].Versions) == 0 {
		d.Policies = slices.Delete(d.Policies, i, i+1) // owned since amend
	}
	for _, digest := range gone {
		d.dropModule(digest)
	}
	return nil
}
