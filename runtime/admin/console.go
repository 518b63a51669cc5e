package admin

import (
	"net/http"
	"strings"

	"github.com/troupe-actors/troupe/runtime/admin/console"
)

// toConsole answers requests for the files of the web console, which hold no data and need no token, and leads a browser there
// that asks for the root. It says whether it has answered.
func (s *Server) toConsole(x *exchange) bool {
	browser := x.r.URL.Path == "/" && x.r.Method == http.MethodGet && strings.Contains(x.r.Header.Get("Accept"), "text/html")
	switch {
	case strings.HasPrefix(x.r.URL.Path, console.Path):
		x.path = console.Path
		s.console.ServeHTTP(x, x.r)
	case browser, x.r.URL.Path+"/" == console.Path:
		x.path = "redirect"
		http.Redirect(x, x.r, console.Path, http.StatusSeeOther)
	default:
		return false
	}
	return true
}
