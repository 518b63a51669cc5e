package deciders

import (
	"strconv"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// scoped is what a decider reads from settings that each keyspace may say for itself, once per view.
type scoped[T any] struct {
	derived *policies.Derived[[]*T] // by place of the keyspace; or one for all, if none says anything for itself
}

// perKeyspace makes it of what is read for one keyspace.
func perKeyspace[T any](read func(v *policies.View, k *cluster.Keyspace) T) scoped[T] {
	return perValue("", read)
}

// perValue does so where all that is read of a keyspace is one setting: what has the same value, by the same name, is read once.
func perValue[T any](setting string, read func(v *policies.View, k *cluster.Keyspace) T) scoped[T] {
	return scoped[T]{policies.Derive(func(v *policies.View) []*T {
		if !v.State.HasScoped() {
			one := read(v, nil)
			return []*T{&one}
		}
		list := make([]*T, len(v.State.Keyspaces))
		known := map[[2]string]*T{} // only asked, never visited
		for k := range list {
			var key [2]string
			if setting != "" {
				key[0], key[1] = v.Setting(&v.State.Keyspaces[k], setting)
				list[k] = known[key]
			}
			if list[k] == nil {
				one := read(v, &v.State.Keyspaces[k])
				list[k], known[key] = &one, &one
			}
		}
		return list
	})}
}

// of gives what holds for a keyspace. It is read only.
func (s scoped[T]) of(v *policies.View, k *cluster.Keyspace) *T {
	list := s.derived.Of(v)
	if len(list) == 1 {
		return list[0]
	}
	return list[v.Keyspace(k.ID)]
}

// all lists what holds for each.
func (s scoped[T]) all(v *policies.View) []*T { return s.derived.Of(v) }

// number is the value in force of a setting that is a number, and the name by which it was set.
func number(v *policies.View, k *cluster.Keyspace, name string) (n int, from string) {
	value, from := v.Setting(k, name)
	n, err := strconv.Atoi(value)
	if err != nil {
		panic("deciders: setting " + from + " is no number") // CheckSetting has seen it, or the default stands
	}
	return n, from
}

// duration is the same of one that is a duration.
func duration(v *policies.View, k *cluster.Keyspace, name string) (d time.Duration, from string) {
	value, from := v.Setting(k, name)
	d, err := time.ParseDuration(value)
	if err != nil {
		panic("deciders: setting " + from + " is no duration")
	}
	return d, from
}
