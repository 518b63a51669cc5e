package tracing

import "strings"

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

// ofProcess begins the names of attributes that say something of one process or its machine, as OpenTelemetry's conventions name them.
var ofProcess = []string{"process.", "host.", "os.", "container.", "k8s.pod.", "k8s.node.", "k8s.container.", "device.", "faas.instance", "aws.ecs.task.", "service.version", "telemetry."}

// shared is the origin without what would be said of the wrong node where one tells the steps of all: two nodes that tell the same step
// tell it equally.
func (o Origin) shared() Origin {
	var more []Attribute
next:
	for _, a := range o.more {
		for _, prefix := range ofProcess {
			if strings.HasPrefix(a.Name, prefix) {
				continue next
			}
		}
		more = append(more, a)
	}
	o.more = more
	return o
}
