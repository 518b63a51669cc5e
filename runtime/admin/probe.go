package admin

import "net/http"

// Paths for whoever starts and stops nodes, as an orchestrator does. They need no token, since they tell nothing but a word.
const (
	pathLive  = "/livez"  // 200: the process serves HTTP
	pathReady = "/readyz" // 200: and the node is a member of its cluster, and a placement leader is known; else 503
)

// toProbe answers them, and says whether it has.
func (s *Server) toProbe(x *exchange) bool {
	path := x.r.URL.Path
	if path != pathLive && path != pathReady {
		return false
	}
	x.path = path
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		x.Header().Set("Allow", "GET, HEAD")
		x.text(http.StatusMethodNotAllowed, mimeText, []byte("use GET\n"))
		return true
	}
	status, word := http.StatusOK, "alive\n"
	if path == pathReady {
		word = "ready\n"
		if !s.ready() {
			status, word = http.StatusServiceUnavailable, "not ready\n"
		}
	}
	x.text(status, mimeText, []byte(word))
	return true
}

// ready says whether clients should be sent to this node: it can serve, or knows who does.
func (s *Server) ready() bool {
	c := s.backend.Cluster()
	if c == nil {
		return true
	}
	state, _ := c.State()
	return state.Member(s.backend.Node().ID) != nil && c.Evidence().Leaderless <= 0
}
