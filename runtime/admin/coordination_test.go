package admin

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

// desk tells of one topic, one group and one session.
type desk struct{}

func (desk) Topics(_ context.Context, p Page) (TopicList, error) {
	return TopicList{Topics: []TopicRow{{Topic: p.After, Partitions: p.Limit}}, Part: Part{More: true, Unseen: []string{"actors/3"}}}, nil
}

func (desk) Topic(_ context.Context, name string) (TopicInfo, error) {
	if name == "none" {
		return TopicInfo{}, &Error{Status: http.StatusNotFound, Kind: KindNotFound, Reason: "no such topic"}
	}
	return TopicInfo{TopicRow: TopicRow{Topic: name}, Parts: []PartitionRow{{Next: 7}}}, nil
}

func (desk) Groups(_ context.Context, p Page) (GroupList, error) {
	return GroupList{Groups: []GroupRow{{Group: p.After}}}, nil
}

func (desk) Group(_ context.Context, name string) (GroupInfo, error) {
	return GroupInfo{GroupRow: GroupRow{Group: name}}, nil
}

func (desk) Sessions(_ context.Context, p Page) (SessionList, error) {
	return SessionList{Sessions: []SessionRow{{Session: p.After}}}, nil
}

func (desk) Session(_ context.Context, name string) (SessionInfo, error) {
	return SessionInfo{SessionRow: SessionRow{Session: name}}, nil
}

func (d desk) DeleteTopic(ctx context.Context, name string) error {
	_, err := d.Topic(ctx, name)
	return err
}

func (desk) DeleteGroup(_ context.Context, name string) error {
	if name == "busy" {
		return &Error{Status: http.StatusConflict, Kind: "conflict", Reason: "it has members"}
	}
	return nil
}

func TestCoordinationPaths(t *testing.T) {
	config := ServerConfig{Actors: &parrot{}, Coordination: desk{}}
	_, client, _ := serve(t, config)
	s := NewServer(newMemory(), config)
	ctx := t.Context()
	const odd = "a/ä ?#%&=b"
	if l, err := client.Topics(ctx, Page{After: odd}); err != nil || l.Topics[0].Topic != odd || l.Topics[0].Partitions != DefaultPage || !l.More || l.Unseen[0] != "actors/3" {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err := client.Topics(ctx, Page{Limit: 7}); err != nil || l.Topics[0].Partitions != 7 {
		t.Errorf("%+v, %v", l, err)
	}
	if i, err := client.Topic(ctx, odd); err != nil || i.Topic != odd || i.Parts[0].Next != 7 {
		t.Errorf("%+v, %v", i, err)
	}
	if _, err := client.Topic(ctx, "none"); !NotFound(err) {
		t.Error(err)
	}
	if err := client.DeleteTopic(ctx, odd); err != nil {
		t.Error(err)
	}
	if err := client.DeleteTopic(ctx, "none"); !NotFound(err) {
		t.Error(err)
	}
	if err := client.DeleteGroup(ctx, odd); err != nil {
		t.Error(err)
	}
	if err := client.DeleteGroup(ctx, "busy"); !Conflict(err) {
		t.Error(err)
	}
	if a := ask(s, "GET", "/_topics/delete?topic=x", ""); a.Code != 405 {
		t.Errorf("a topic is deleted by a question: %d %s", a.Code, a.Body)
	}
	if a := ask(s, "POST", "/_groups/delete", ""); a.Code != 400 || !strings.Contains(a.Body.String(), "?group=NAME") {
		t.Errorf("which group is deleted: %d %s", a.Code, a.Body)
	}
	if l, err := client.Groups(ctx, Page{After: odd}); err != nil || l.Groups[0].Group != odd {
		t.Errorf("%+v, %v", l, err)
	}
	if i, err := client.Group(ctx, odd); err != nil || i.Group != odd {
		t.Errorf("%+v, %v", i, err)
	}
	if l, err := client.Sessions(ctx, Page{After: odd}); err != nil || l.Sessions[0].Session != odd {
		t.Errorf("%+v, %v", l, err)
	}
	if i, err := client.Session(ctx, odd); err != nil || i.Session != odd {
		t.Errorf("%+v, %v", i, err)
	}
	if l, err := client.ActorNames(ctx, odd, Page{After: "x"}); err != nil || l.Kind != odd || l.Names[0] != "x100" {
		t.Errorf("%+v, %v", l, err)
	}
	for path, says := range map[string]string{
		"/_topics/inspect": "?topic=NAME", "/_groups/inspect?group=": "?group=NAME", "/_sessions/inspect": "?session=NAME", "/_actors/names": "?kind=KIND",
		"/_topics?limit=1001": "at most 1000", "/_groups?limit=x": "a number", "/_sessions?prefix=x": "after, limit",
	} {
		if a := ask(s, "GET", path, ""); a.Code != 400 || !strings.Contains(a.Body.String(), says) {
			t.Errorf("%s: %d %s; want %q", path, a.Code, a.Body, says)
		}
	}
	s = NewServer(newMemory(), ServerConfig{})
	for _, path := range []string{"/_topics", "/_sessions/inspect?session=x", "/_actors/names?kind=x"} {
		if a := ask(s, "GET", path, ""); a.Code != 503 || !strings.Contains(a.Body.String(), "no actors") {
			t.Errorf("%s of a node without actors: %d %s", path, a.Code, a.Body)
		}
	}
}
