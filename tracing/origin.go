package tracing

import (
	"slices"
	"strings"
)

// Origin says which service spans are of: with the node that took a step, the resource of its span.
type Origin struct {
	Service   string // service.name
	Namespace string // service.namespace, the cluster's name; empty: left out
	more      []Attribute
}

// resource says who took a step. Of the process that tells it an origin has something only where that took it: see shared.
func (o Origin) resource(s *Span) []Attribute {
	list := []Attribute{Text("service.name", o.Service)}
	if o.Namespace != "" {
		list = append(list, Text("service.namespace", o.Namespace))
	}
	return append(append(list, Text("service.instance.id", s.NodeID), Text("troupe.node.name", s.Node)), o.more...)
}

// ofCluster begins the names of attributes that say the same of every node, as OpenTelemetry's conventions name them. There are more names
// for what differs, by process, machine, rack or zone, than anybody could list.
var ofCluster = []string{"deployment.", "k8s.namespace.", "k8s.cluster.", "cloud.provider", "cloud.region", "cloud.account.", "cloud.platform"}

// shared is the origin without what might be said of the wrong node where one tells the steps of all: two nodes that tell the same step
// tell it equally.
func (o Origin) shared() Origin {
	var more []Attribute
	for _, a := range o.more {
		if slices.ContainsFunc(ofCluster, func(prefix string) bool { return strings.HasPrefix(a.Name, prefix) }) {
			more = append(more, a)
		}
	}
	o.more = more
	return o
}
