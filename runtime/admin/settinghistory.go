package admin

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// headerBy is how a client says who sits in front of it. It is for people who read a history, and proves nothing.
const headerBy = "Troupe-By"

// SettingHistory is the answer of /_cluster/settings/history: what was changed, the newest first. The cluster keeps the last 256.
type SettingHistory struct {
	Changes []SettingChange `json:"changes"`
}

// SettingChange is one change of one setting.
type SettingChange struct {
	Version uint64  `json:"version"` // of the cluster state that it made; what was changed in one step shares it
	At      int64   `json:"at"`      // Unix milliseconds, by the clock of the node that was asked
	By      string  `json:"by"`      // as in "ann@laptop (10.0.0.7) at n1"
	Name    string  `json:"name"`
	From    *string `json:"from"` // null: the default
	To      *string `json:"to"`
}

// settingHistory answers who changed which setting, of all or of those whose names contain a text.
func (s *Server) settingHistory(x *exchange, q *query) error {
	_, state, err := s.agreed()
	if err != nil {
		return err
	}
	answer := SettingHistory{Changes: []SettingChange{}}
	for i := range state.Amendments {
		a := &state.Amendments[len(state.Amendments)-1-i]
		if strings.Contains(a.Name, q.values.Get("name")) {
			answer.Changes = append(answer.Changes, SettingChange{Version: a.Version, At: a.At, By: a.By, Name: a.Name, From: orNull(a.From), To: orNull(a.To)})
		}
	}
	x.json(http.StatusOK, answer)
	return nil
}

func orNull(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}

// signed puts into a change of settings who asks for it and when, unless a member could not read that.
func (s *Server) signed(x *exchange, state *cluster.State, c cluster.SettingsChange) *cluster.Command {
	plain := c
	c.By, c.At = s.asker(x), time.Now().UnixMilli()
	if command := (&cluster.Command{Settings: &c}); state.Readable(command) == nil {
		return command
	}
	return &cluster.Command{Settings: &plain}
}

// asker says who sent a request, as well as it is known.
func (s *Server) asker(x *exchange) string {
	from := x.r.RemoteAddr
	if host, _, err := net.SplitHostPort(from); err == nil {
		from = host
	}
	who := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(x.r.Header.Get(headerBy), ""))
	text := cmp.Or(clip(who), "somebody") + " (" + from + ") at " + s.backend.Node().Name
	return strings.ToValidUTF8(text[:min(len(text), cluster.MaxText)], "")
}

// SettingHistory asks for what was changed in the settings, the newest first; of those whose names contain a text, or of all.
func (c *Client) SettingHistory(ctx context.Context, name string) (h SettingHistory, err error) {
	query := url.Values{}
	if name != "" {
		query.Set("name", name)
	}
	err = c.json(ctx, call{method: http.MethodGet, path: "/_cluster/settings/history", query: query, repeatable: true}, &h)
	return h, err
}
