package admin

import (
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Banner is the answer of /: who answers, as Elasticsearch says it.
type Banner struct {
	Name      string `json:"name"`
	Cluster   string `json:"cluster_name"`
	ClusterID string `json:"cluster_uuid,omitempty"` // of the cluster that the node belongs to
	Version   string `json:"version"`
	ID        string `json:"node_id"`
	Tagline   string `json:"tagline"`
}

func (s *Server) banner(x *exchange, _ *query) error {
	n := s.backend.Node()
	b := Banner{Name: n.Name, Cluster: n.Cluster, Version: n.Version, ID: string(n.ID), Tagline: "shards keep, policies decide, actors act"}
	if c := s.backend.Cluster(); c != nil {
		state, _ := c.State()
		b.ClusterID = state.Cluster
	}
	x.json(http.StatusOK, b)
	return nil
}

// healthPause is how often a waiting health check looks again.
const healthPause = 50 * time.Millisecond

// health judges the cluster, at once or, with wait_for_status, when it is well enough or the timeout (30 s) has passed.
func (s *Server) health(x *exchange, q *query) error {
	want := q.values.Get("wait_for_status")
	if want != "" && rank[want] == 0 {
		return invalid("parameter \"wait_for_status\" is %q; must be green, yellow or red", clip(want))
	}
	timeout, err := q.timeout(30 * time.Second)
	if err != nil {
		return err
	}
	h := s.judge()
	if want == "" || rank[h.Status] <= rank[want] {
		x.json(http.StatusOK, h)
		return nil
	}
	leave, err := s.room.enter(true) // waiting is a long request
	if err != nil {
		return err
	}
	defer leave()
	return s.await(x, want, timeout)
}

// timeout reads how long a request may take, from 0 to an hour.
func (q *query) timeout(otherwise time.Duration) (time.Duration, error) {
	text := q.values.Get("timeout")
	if text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > time.Hour {
		return 0, invalid("parameter \"timeout\" is %q; must be a duration from 0s to 1h", clip(text))
	}
	return d, nil
}

func (s *Server) await(x *exchange, want string, timeout time.Duration) error {
	limit, ticker := time.NewTimer(timeout), time.NewTicker(healthPause)
	defer limit.Stop()
	defer ticker.Stop()
	for {
		stop := false
		select {
		case <-ticker.C:
		case <-limit.C:
			stop = true
		case <-x.stopping:
			stop = true
		case <-x.r.Context().Done():
			return x.r.Context().Err()
		}
		h := s.judge()
		if rank[h.Status] <= rank[want] {
			x.json(http.StatusOK, h)
			return nil
		}
		if stop {
			h.TimedOut = true
			x.json(http.StatusRequestTimeout, h)
			return nil
		}
	}
}

func (s *Server) judge() Health { return s.overview().health() }

func (s *Server) nodes(x *exchange, _ *query) error {
	x.json(http.StatusOK, s.overview().nodes)
	return nil
}

func (s *Server) keyspaces(x *exchange, _ *query) error {
	o := s.overview()
	o.ask(x.r.Context(), s.backend.Cluster())
	x.json(http.StatusOK, keyspaceInfos(o.keyspaces, slices.Values(o.copies)))
	return nil
}

func (s *Server) metrics(x *exchange, _ *query) error {
	promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, EnableOpenMetrics: true}).ServeHTTP(x, x.r)
	return nil
}
