package admin

import (
	"net/http"

	"github.com/troupe-actors/troupe/shards"
)

// Starting answers for a node that does not serve yet, or any more: it is alive and not ready, and whatever else it is asked is unavailable, with
// what why says. Of the configuration Token, Grace and MinRate count. Any goroutine may call why.
func Starting(c ServerConfig, why func() string) http.Handler {
	c.fill()
	s := &Server{config: c, browsers: http.NewCrossOriginProtection()}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{paceWriter: newPaceWriter(w, &s.config), r: r}
		w.Header().Set("Connection", "close") // the next request may find it serving
		switch r.URL.Path {
		case pathLive:
			x.text(http.StatusOK, mimeText, []byte("alive\n"))
		case pathReady:
			x.text(http.StatusServiceUnavailable, mimeText, []byte("not ready\n"))
		default:
			err := s.authorize(x)
			if err == nil {
				err = &Error{Status: http.StatusServiceUnavailable, Kind: shards.KindUnavailable.String(), Reason: why()}
			}
			x.fail(err)
		}
	})
}
