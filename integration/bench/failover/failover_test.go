package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestVerdicts(t *testing.T) {
	trials := func(lost int, firsts ...int) *result {
		r := &result{name: "troupe, primary", target: targets["troupe, primary, kill"]}
		for _, first := range firsts {
			r.add(outcome{first: time.Duration(first) * time.Millisecond, all: time.Second, acked: 10, lost: lost})
		}
		return r
	}
	for _, c := range []struct {
		r    *result
		want string
	}{
		{trials(0, 100, 150, 500), "<= 150 / 500 met"},
		{trials(0, 100, 151, 400), "<= 150 / 500 MISSED"},
		{trials(0, 100, 150, 501), "<= 150 / 500 MISSED"},
		{trials(1, 1), "LOST WRITES"},
	} {
		if got := c.r.verdict(); got != c.want {
			t.Errorf("%v: %q, want %q", c.r.first, got, c.want)
		}
	}
	if got := (&result{first: []time.Duration{1}}).verdict(); got != "-" {
		t.Errorf("without a target: %q", got)
	}
	var out bytes.Buffer
	if err := printTable(&out, &options{kills: 3, fault: "kill"}, []*result{trials(0, 100, 140, 499)}); err != nil {
		t.Fatal(err)
	}
	if line := out.String(); !strings.Contains(line, "140    499") || !strings.Contains(line, "met") {
		t.Errorf("%s", line)
	}
}

// The effect of a collector is shown only if it lies outside of what chance does.
func TestEffects(t *testing.T) {
	trials := func(base, step time.Duration) (list []time.Duration) {
		for i := range 40 {
			list = append(list, base+time.Duration(i)*step)
		}
		return list
	}
	even := trials(20*time.Millisecond, time.Microsecond)
	for _, c := range []struct {
		with []time.Duration
		more int64
		want string
	}{
		{even, 16 << 20, "<= 1.05 met; <= 16 MiB met"},
		{trials(30*time.Millisecond, time.Microsecond), 16<<20 + 1, "<= 1.05 MISSED; <= 16 MiB MISSED"},
		{trials(time.Millisecond, time.Millisecond), -5, "<= 1.05 neither shown nor ruled out; <= 16 MiB met"},
	} {
		e := compare("x", even, c.with)
		e.more = c.more
		if got := e.verdict(true); got != c.want || e.low > e.ratio || e.high < e.ratio {
			t.Errorf("%+v: %q, want %q", e, got, c.want)
		}
		if got := e.verdict(false); got != strings.SplitN(c.want, ";", 2)[0] {
			t.Errorf("of what was not weighed it says %q", got)
		}
	}
}

func TestMedian(t *testing.T) {
	for want, of := range map[time.Duration][]time.Duration{2: {3, 1, 2}, 3: {4, 1, 3, 2}, 7: {7}} {
		if got := median(of); got != want {
			t.Errorf("median of %v is %v, want %v", of, got, want)
		}
	}
}

// The table is what redis-server 7.0 answers, shortened.
func TestParseNodes(t *testing.T) {
	rows := parseNodes(`07c3 127.0.0.1:30004@31004 slave e7d1 0 1426238317239 4 connected
67ed 127.0.0.1:30002@31002 master,fail - 0 1426238316232 2 connected 5461-10922
e7d1 127.0.0.1:30001@31001,host myself,master - 0 0 1 connected 0-5460
`)
	want := []nodeRow{
		{"127.0.0.1:30004", "slave", "e7d1", false}, {"127.0.0.1:30002", "master,fail", "-", true}, {"127.0.0.1:30001", "myself,master", "-", true},
	}
	if !slices.Equal(rows, want) {
		t.Errorf("%+v", rows)
	}
}

func TestEtcdStore(t *testing.T) {
	var mu sync.Mutex
	data := map[string][]byte{}
	live := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var p pair
		text, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(text, &p); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if r.URL.Path == "/v3/kv/put" {
			data[string(p.Key)] = p.Value
			fmt.Fprint(w, `{"header":{"revision":"2"}}`)
			return
		}
		v, found := data[string(p.Key)]
		if !found {
			fmt.Fprint(w, `{"header":{}}`)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"kvs": []pair{{p.Key, v}}, "count": "1"})
	}))
	defer live.Close()
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	s := &etcdStore{http: newClient(time.Second), addresses: []string{dead.Listener.Addr().String(), live.Listener.Addr().String()}}
	defer s.Close()
	if s.Put(t.Context(), "a", "a") == nil {
		t.Fatal("nobody listens there")
	}
	for _, key := range []string{"a", "b"} {
		if err := s.Put(t.Context(), key, key); err != nil {
			t.Fatal(err)
		}
	}
	data["b"] = []byte("other")
	missing, err := s.Missing(t.Context(), []string{"a", "b", "c"})
	slices.Sort(missing)
	if err != nil || !slices.Equal(missing, []string{"b", "c"}) {
		t.Errorf("%v, %v", missing, err)
	}
}

func TestFlagsAreChecked(t *testing.T) {
	for _, o := range []options{{fault: "flood"}, {fault: "kill", systems: "mongo"}, {fault: "cut", systems: "troupe,redis"}} {
		if err := run(t.Context(), &o, io.Discard, io.Discard); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// Bad flags are refused before anything is started, and memory is asked for only where it is compared.
func TestAims(t *testing.T) {
	for want, o := range map[string]*options{"must be primary or leader": {fault: "kill", aim: "primry", systems: "troupe"}, "must be kill, pause or cut": {fault: "none"}} {
		if err := run(t.Context(), o, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	leaders := []*result{{name: "troupe, primary"}, {name: "troupe, leader"}}
	if held, err := holdings(t.Context(), nil, leaders); held != nil || err != nil {
		t.Errorf("with no collector %v is held, %v", held, err)
	}
}
