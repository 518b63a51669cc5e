package tracing

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// archive notes of which resource each span is that comes.
type archive struct {
	mu sync.Mutex
	of map[string][]string // attributes by the span's name
}

func (a *archive) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range spans {
		for _, x := range s.Resource().Attributes() {
			a.of[s.Name()] = append(a.of[s.Name()], string(x.Key)+"="+x.Value.AsString())
		}
	}
	return nil
}

func (a *archive) Shutdown(context.Context) error { return nil }

// What spans say of where they come from: the node that took the step, the cluster, and what the environment adds. What that says of one
// process stands on the spans of its own messages, and not on steps of a failover that others took.
func TestResource(t *testing.T) {
	for _, c := range []struct{ env, service, failover, message string }{
		{"", "", "service.name=troupe service.namespace=berlin", "service.name=troupe service.namespace=berlin"},
		{"deployment.environment.name=prod%2Ctest, k8s.pod.name=pod-1,service.instance.id=x,service.namespace=shop,service.name=one,k8s.namespace.name=ns", "", "service.name=one service.namespace=shop deployment.environment.name=prod,test k8s.namespace.name=ns",
			"service.name=one service.namespace=shop deployment.environment.name=prod,test k8s.pod.name=pod-1 k8s.namespace.name=ns"},
		{"cloud.region=eu-1,cloud.availability_zone=eu-1a,cloud.resource_id=i-1,k8s.replicaset.name=rs-1,aws.ec2.tag=x,k8s.cluster.name=k,service.version=1", "", "service.name=troupe service.namespace=berlin cloud.region=eu-1 k8s.cluster.name=k",
			"service.name=troupe service.namespace=berlin cloud.region=eu-1 cloud.availability_zone=eu-1a cloud.resource_id=i-1 k8s.replicaset.name=rs-1 aws.ec2.tag=x k8s.cluster.name=k service.version=1"},
		{"service.name=one", "two", "service.name=two service.namespace=berlin", "service.name=two service.namespace=berlin"},
		{"a=1,b,c=2", "", "service.name=troupe service.namespace=berlin", "service.name=troupe service.namespace=berlin"},
		{"a=1,b=%zz", "", "service.name=troupe service.namespace=berlin", "service.name=troupe service.namespace=berlin"},
		{"a=1,b=2,a=3", "", "service.name=troupe service.namespace=berlin", "service.name=troupe service.namespace=berlin b=2 a=3"},
	} {
		env := map[string]string{"OTEL_RESOURCE_ATTRIBUTES": c.env, "OTEL_SERVICE_NAME": c.service}
		to := &archive{of: map[string][]string{}}
		v := environment{func(name string) string { return env[name] }, func(error) {}}
		e := &Exporter{env: v, origin: v.origin("berlin"), failed: func(err error) { t.Error(err) }, out: to, dial: func() (sdktrace.SpanExporter, error) { return to, nil }}
		e.start()
		m, err := e.Messages("id1", "n1", 1)
		if err != nil {
			t.Fatal(err)
		}
		_, span := m.Enter(t.Context(), Server)
		span.Name("hello")
		span.End(nil)
		e.Export(&Failover{Kind: KindFailover, Node: "id2", Name: "n2", Epoch: 1, Heard: 1, Declared: 2, Done: 9, Outcome: OutcomeRecovered, Plans: []Plan{{By: "n1", ByID: "id1", Began: 3, Took: 1, Committed: 5}}})
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"hello @n1": c.message, "plan 0 moves @n1": c.failover, "commit @n1": c.failover} {
			list := to.of[name]
			wanted := strings.Fields(want + " service.instance.id=id1 troupe.node.name=n1")
			slices.Sort(wanted)
			slices.Sort(list)
			if !slices.Equal(list, wanted) {
				t.Errorf("%q: %s is of %q, want %q", c.env, name, list, wanted)
			}
		}
	}
}
