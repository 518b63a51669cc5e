package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// maxBody bounds the body of a request about the cluster, in bytes.
const maxBody = 1 << 20

// document reads one JSON document into value, and refuses what value does not know. An absent body changes nothing.
func (x *exchange) document(value any) error {
	text, err := io.ReadAll(io.LimitReader(x.r.Body, maxBody+1))
	var slow *Error
	switch {
	case errors.As(err, &slow):
		return slow
	case err != nil:
		return invalid("the body broke off: %v", err)
	case len(text) > maxBody:
		return tooLarge("the body has more than %d bytes", maxBody)
	case len(text) == 0:
		return nil
	}
	return decodeStrict(text, value)
}

// decodeStrict reads JSON without unknown fields, without names that come twice, and with nothing behind it.
func decodeStrict(text []byte, value any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(value); err != nil {
		return invalid("the body is not what is expected: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return invalid("the body has something behind its JSON document")
	}
	if name := twice(json.NewDecoder(bytes.NewReader(text))); name != "" {
		return invalid("%q is there twice in one object, and only the last would count", clip(name))
	}
	return nil
}

// twice is a name that an object of the next value has more than once; empty if none has. The text is valid JSON.
func twice(d *json.Decoder) string {
	open, err := d.Token()
	if err != nil || open != json.Delim('{') && open != json.Delim('[') {
		return ""
	}
	names := make(map[string]bool)
	for d.More() {
		if open == json.Delim('{') {
			token, _ := d.Token()
			name, _ := token.(string)
			if names[name] {
				return name
			}
			names[name] = true
		}
		if name := twice(d); name != "" {
			return name
		}
	}
	_, _ = d.Token() // the bracket that ends it
	return ""
}

// agreed is the cluster with its newest state, for a path that needs one.
func (s *Server) agreed() (Cluster, *cluster.State, error) {
	c := s.backend.Cluster()
	if c == nil {
		return nil, nil, unavailable("this node runs without a cluster")
	}
	state, _ := c.State()
	if len(state.Members) == 0 {
		return nil, nil, unavailable("this node has not been let into a cluster yet; ask another, or repeat after a pause")
	}
	return c, state, nil
}

func unavailable(format string, args ...any) *Error {
	e := busy(format, args...)
	e.Kind = shards.KindUnavailable.String()
	return e
}

// member finds a member by name or id.
func member(state *cluster.State, name string) (*cluster.Member, error) {
	if m := state.MemberByName(name); m != nil && name != "" {
		return m, nil
	}
	var names []string
	for i := range state.Members {
		names = append(names, state.Members[i].Name)
	}
	return nil, notFound("no node %q; there are %s", clip(name), shorten(names))
}

// shardOf finds a shard by keyspace and index.
func shardOf(state *cluster.State, keyspace string, index int) (*cluster.Shard, error) {
	k := state.KeyspaceByName(keyspace)
	if k == nil {
		var names []string
		for i := range state.Keyspaces {
			names = append(names, state.Keyspaces[i].Name)
		}
		return nil, notFound("no keyspace %q; there are %s", clip(keyspace), shorten(names))
	}
	if index < 0 || index >= k.Shards {
		return nil, notFound("no shard %s/%d; keyspace %s has shards 0 to %d", k.Name, index, k.Name, k.Shards-1)
	}
	return state.Shard(shards.NewShardID(k.ID, index)), nil
}

// propose has a command ordered, and answers with the state's version after it.
func (s *Server) propose(x *exchange, c Cluster, command *cluster.Command, warnings ...string) error {
	outcome, err := c.Propose(x.r.Context(), command)
	if err == nil {
		err = outcome.Error()
	}
	if err != nil {
		return err
	}
	x.acknowledge(&outcome, warnings...)
	return nil
}

// remove is propose for what was there a moment ago, and is not to be there: that somebody was quicker, as an earlier try of the
// same request, is no error.
func (s *Server) remove(x *exchange, c Cluster, command *cluster.Command) error {
	outcome, err := c.Propose(x.r.Context(), command)
	if err == nil && !errors.Is(outcome.Error(), &cluster.Refusal{Why: cluster.WhyUnknown}) {
		err = outcome.Error()
	}
	if err != nil {
		return err
	}
	x.acknowledge(&outcome)
	return nil
}

func (x *exchange) acknowledge(outcome *cluster.Outcome, warnings ...string) {
	x.json(http.StatusOK, Acknowledged{Acknowledged: true, Changed: outcome.Changed, Version: outcome.Version, Warnings: warnings})
}

// Acknowledged is the answer to a change of the cluster state.
type Acknowledged struct {
	Acknowledged bool   `json:"acknowledged"`
	Changed      bool   `json:"changed"` // false if it was so already
	Version      uint64 `json:"version"` // of the cluster state after it

	Warnings []string `json:"warnings,omitempty"` // sentences: it is done, and may not be what was meant
}

// shorten lists names for a message, and not too many.
func shorten(names []string) string {
	if len(names) > 20 {
		names = append(names[:20], "…")
	}
	return strings.Join(names, ", ")
}

// copyName is a copy as people see it, as in "c17"; empty for none.
func copyName(id shards.CopyID) string {
	if id == 0 {
		return ""
	}
	return "c" + strconv.FormatUint(uint64(id), 10)
}
