package cluster

import "fmt"

// checkModules is invariant 11.
func (s *State) checkModules() error {
	all := 0
	for i := range s.Modules {
		m := &s.Modules[i]
		if i > 0 && m.Digest <= s.Modules[i-1].Digest || m.Digest.validate() != nil || m.Size < 1 || m.Size > MaxModule {
			return fmt.Errorf("invariant 11: module %.80q of %d bytes is out of order or none", m.Digest, m.Size)
		}
		if len(m.Chunks) == 0 || len(m.Chunks) > Parts(m.Size) {
			return fmt.Errorf("invariant 11: module %s has %d chunks of %d", m.Digest.Short(), len(m.Chunks), Parts(m.Size))
		}
		for part, chunk := range m.Chunks {
			if len(chunk) != chunkLength(m.Size, part) {
				return fmt.Errorf("invariant 11: chunk %d of module %s has %d bytes", part, m.Digest.Short(), len(chunk))
			}
		}
		if m.Whole() && m.digest() != m.Digest {
			return fmt.Errorf("invariant 11: module %s holds other bytes than its name says", m.Digest.Short())
		}
		for n := range m.Staged {
			w := &m.Staged[n]
			if !m.Whole() || s.Member(w.Node) == nil || n > 0 && w.Node <= m.Staged[n-1].Node || len(w.Problem) > MaxReason {
				return fmt.Errorf("invariant 11: what node %s says of module %s is out of order, too long or of no member", w.Node, m.Digest.Short())
			}
		}
		all += m.Size
	}
	if all > MaxModules {
		return fmt.Errorf("invariant 11: %d bytes of modules; at most %d", all, MaxModules)
	}
	return nil
}

// checkPolicies is invariant 12.
func (s *State) checkPolicies() error {
	if len(s.Policies) > MaxPolicies || len(s.Quarantine) > MaxQuarantined || s.PoliciesAt > s.Version {
		return fmt.Errorf("invariant 12: %d policies, %d modules in quarantine, changed at %d", len(s.Policies), len(s.Quarantine), s.PoliciesAt)
	}
	for i := range s.Policies {
		p := &s.Policies[i]
		if i > 0 && p.Name <= s.Policies[i-1].Name || !ValidPolicyName(p.Name) || p.Version > s.PoliciesAt || len(p.Note) > MaxReason {
			return fmt.Errorf("invariant 12: policy %.80q is out of order, or from the future", p.Name)
		}
		if err := s.checkPolicy(p); err != nil {
			return fmt.Errorf("invariant 12: policy %s: %w", p.Name, err)
		}
	}
	for i := range s.Quarantine {
		q := &s.Quarantine[i]
		if i > 0 && q.Digest <= s.Quarantine[i-1].Digest || q.Digest.validate() != nil || q.Reason == "" || len(q.Reason) > MaxReason || len(q.Policy) > MaxText {
			return fmt.Errorf("invariant 12: the quarantine of %.80q is out of order or without a reason", q.Digest)
		}
	}
	return nil
}

func (s *State) checkPolicy(p *Policy) error {
	if len(p.Versions) == 0 || len(p.Versions) > MaxPolicyVersions {
		return fmt.Errorf("%d versions", len(p.Versions))
	}
	for i := range p.Versions {
		v := &p.Versions[i]
		if v.Number == 0 || i > 0 && v.Number <= p.Versions[i-1].Number || v.Number >= p.Next || len(v.Label) > MaxText {
			return fmt.Errorf("version %d is out of order, or not below %d", v.Number, p.Next)
		}
		if m := s.Module(v.Digest); m == nil || !m.Whole() || p.Of(v.Digest) != v {
			return fmt.Errorf("version %d has no whole module of its own", v.Number)
		}
	}
	if e := p.Earlier.Version; e != 0 && (p.Active.Version != p.Previous.Version || e == p.Active.Version) {
		return fmt.Errorf("version %d was in force before version %d and before version %d", e, p.Previous.Version, p.Active.Version)
	}
	for _, use := range []PolicyUse{p.Active, p.Previous, p.Earlier, p.Shadow} {
		switch v := p.At(use.Version); {
		case use == PolicyUse{}:
		case v == nil || len(use.Settings) > MaxPolicySettings:
			return fmt.Errorf("version %d is in use and not there, or its settings have %d bytes", use.Version, len(use.Settings))
		case s.Quarantined(v.Digest) != nil:
			return fmt.Errorf("version %d is in use and quarantined", use.Version)
		}
	}
	return nil
}
