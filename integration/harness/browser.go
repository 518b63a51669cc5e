package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Browser is a Chromium without a window, and one page in it. It is driven as the DevTools protocol has it, over two pipes:
//
//	we → 3 │ {"id":1,"method":"Page.navigate",…}\0     │ Chromium
//	we ← 4 │ {"id":1,"result":{…}}\0 {"method":…}\0    │
//
// Its methods may be called from any goroutine.
type Browser struct {
	cmd     *exec.Cmd
	session string
	ended   chan struct{} // closed when nothing more is read

	writing  sync.Mutex // of requests, on their way to Chromium
	mutex    sync.Mutex // of all below but the pipe
	to       *os.File
	last     int
	waiting  map[int]chan message
	requests []string
	problems []string
}

// message is what goes either way; what is empty is left out.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

type object map[string]any

var errBrowserEnded = errors.New("the browser has ended")

// OpenBrowser starts a program of Chromium's kind with a profile folder of its own, and opens an empty page of that many pixels.
func OpenBrowser(ctx context.Context, program, profile string, width, height int) (*Browser, error) {
	in, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	from, out, err := os.Pipe()
	if err != nil {
		in.Close()
		to.Close()
		return nil, err
	}
	b := &Browser{to: to, ended: make(chan struct{}), waiting: map[int]chan message{}}
	b.cmd = exec.Command(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
		"--user-data-dir="+profile, fmt.Sprintf("--window-size=%d,%d", width, height), "--remote-debugging-pipe", "about:blank")
	b.cmd.ExtraFiles = []*os.File{in, out}
	err = b.cmd.Start()
	in.Close()
	out.Close()
	if err != nil {
		to.Close()
		from.Close()
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go b.read(from)
	if err := b.attach(ctx, width, height); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// attach makes the page that everything else is about.
func (b *Browser) attach(ctx context.Context, width, height int) error {
	var target struct {
		ID string `json:"targetId"`
	}
	if err := b.ask(ctx, "Target.createTarget", object{"url": "about:blank"}, &target); err != nil {
		return err
	}
	var attached struct {
		Session string `json:"sessionId"`
	}
	if err := b.ask(ctx, "Target.attachToTarget", object{"targetId": target.ID, "flatten": true}, &attached); err != nil {
		return err
	}
	b.session = attached.Session
	for _, domain := range []string{"Page", "Runtime", "Log", "Network", "Accessibility"} {
		if err := b.ask(ctx, domain+".enable", nil, nil); err != nil {
			return err
		}
	}
	return b.Resize(ctx, width, height)
}

// Close ends the browser, and waits for it.
func (b *Browser) Close() {
	b.cmd.Process.Kill() // it fails only if it has ended already
	b.cmd.Wait()
	<-b.ended
	b.to.Close()
}

// read hands answers to those who wait for them, and remembers what the page asked for and complained of.
func (b *Browser) read(from *os.File) {
	defer close(b.ended)
	defer from.Close()
	in := bufio.NewReaderSize(from, 1<<20)
	for {
		line, err := in.ReadBytes(0)
		if err != nil {
			return // it has ended
		}
		var m struct {
			message
			Params json.RawMessage `json:"params"`
		}
		if json.Unmarshal(line[:len(line)-1], &m) != nil {
			return // this is no browser
		}
		b.mutex.Lock()
		if m.ID != 0 {
			if answer := b.waiting[m.ID]; answer != nil { // else whoever asked waits no more
				answer <- m.message
			}
			delete(b.waiting, m.ID)
		} else {
			b.note(m.Method, m.Params)
		}
		b.mutex.Unlock()
	}
}

func (b *Browser) note(method string, params json.RawMessage) {
	var p struct {
		Request struct {
			URL string `json:"url"`
		} `json:"request"`
		Details struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
		Entry struct {
			Level string `json:"level"`
			Text  string `json:"text"`
			URL   string `json:"url"`
		} `json:"entry"`
	}
	if json.Unmarshal(params, &p) != nil {
		return // an event of another shape is none of those below
	}
	switch method {
	case "Network.requestWillBeSent":
		b.requests = append(b.requests, p.Request.URL)
	case "Runtime.exceptionThrown":
		b.problems = append(b.problems, p.Details.Text+" "+p.Details.Exception.Description)
	case "Log.entryAdded":
		if p.Entry.Level == "error" {
			b.problems = append(b.problems, p.Entry.Text+" "+p.Entry.URL)
		}
	}
}

// ask calls a method of the protocol, and reads its result unless that is nil.
func (b *Browser) ask(ctx context.Context, method string, params, result any) error {
	if params == nil {
		params = object{}
	}
	answer := make(chan message, 1)
	b.mutex.Lock()
	b.last++
	id, session := b.last, b.session
	b.waiting[id] = answer
	b.mutex.Unlock()
	defer func() {
		b.mutex.Lock()
		defer b.mutex.Unlock()
		delete(b.waiting, id)
	}()
	text, err := json.Marshal(message{ID: id, Session: session, Method: method, Params: params})
	if err == nil {
		b.writing.Lock() // apart: whoever takes answers must not wait for a pipe that is full
		_, err = b.to.Write(append(text, 0))
		b.writing.Unlock()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m := <-answer:
		switch {
		case m.Error != nil:
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		case result == nil:
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-b.ended:
		return fmt.Errorf("%s: %w", method, errBrowserEnded)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, context.Cause(ctx))
	}
}

// Open goes to an address. What is there may still be loading when it returns.
func (b *Browser) Open(ctx context.Context, url string) error {
	var answer struct {
		Problem string `json:"errorText"`
	}
	if err := b.ask(ctx, "Page.navigate", object{"url": url}, &answer); err != nil {
		return err
	}
	if answer.Problem != "" {
		return fmt.Errorf("open %s: %s", url, answer.Problem)
	}
	return nil
}

// Eval runs an expression of JavaScript in the page, waits if it is a promise, and reads its value into result unless that is nil.
func (b *Browser) Eval(ctx context.Context, expression string, result any) error {
	var answer struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err := b.ask(ctx, "Runtime.evaluate", object{"expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true}, &answer)
	switch {
	case err != nil:
		return err
	case answer.Exception != nil:
		return fmt.Errorf("%s: %s %s", expression, answer.Exception.Text, answer.Exception.Exception.Description)
	case result == nil || len(answer.Result.Value) == 0:
		return nil
	}
	return json.Unmarshal(answer.Result.Value, result)
}

// Until asks again and again until an expression is true.
func (b *Browser) Until(ctx context.Context, expression string) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		var yes bool
		err := b.Eval(ctx, "!!("+expression+")", &yes)
		if err == nil && yes {
			return nil
		}
		select {
		case <-again.C:
		case <-b.ended:
			return errBrowserEnded
		case <-ctx.Done():
			var text string
			b.Eval(context.WithoutCancel(ctx), "document.body.innerText", &text) // for the message only
			return fmt.Errorf("%s does not become true (%v); the page shows\n%s", expression, err, text)
		}
	}
}

// keys are those that have names, with what they type.
var keys = map[string]struct {
	code int
	text string
}{
	"Tab": {9, ""}, "Enter": {13, "\r"}, "Escape": {27, ""}, " ": {32, " "},
	"ArrowLeft": {37, ""}, "ArrowUp": {38, ""}, "ArrowRight": {39, ""}, "ArrowDown": {40, ""}, "Home": {36, ""}, "End": {35, ""},
}

// Press presses keys one after another, each by the name that JavaScript gives it.
func (b *Browser) Press(ctx context.Context, names ...string) error {
	for _, name := range names {
		k, known := keys[name]
		if !known {
			return fmt.Errorf("no key is called %q", name)
		}
		event := object{"type": "rawKeyDown", "key": name, "code": name, "windowsVirtualKeyCode": k.code}
		if k.text != "" {
			event["type"], event["text"] = "keyDown", k.text
		}
		if err := b.ask(ctx, "Input.dispatchKeyEvent", event, nil); err != nil {
			return err
		}
		event["type"] = "keyUp"
		delete(event, "text")
		if err := b.ask(ctx, "Input.dispatchKeyEvent", event, nil); err != nil {
			return err
		}
	}
	return nil
}

// Type enters text where the focus is.
func (b *Browser) Type(ctx context.Context, text string) error {
	return b.ask(ctx, "Input.insertText", object{"text": text}, nil)
}

// Resize makes the page that many pixels large.
func (b *Browser) Resize(ctx context.Context, width, height int) error {
	return b.ask(ctx, "Emulation.setDeviceMetricsOverride", object{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
}

// Scheme has the page shown to somebody who prefers a colour scheme, light or dark, and no motion: what is seen then is at once as it stays.
func (b *Browser) Scheme(ctx context.Context, name string) error {
	return b.ask(ctx, "Emulation.setEmulatedMedia", object{"features": []object{
		{"name": "prefers-color-scheme", "value": name}, {"name": "prefers-reduced-motion", "value": "reduce"},
	}}, nil)
}

// Picture is the page as it is seen, as PNG.
func (b *Browser) Picture(ctx context.Context) ([]byte, error) {
	var answer struct {
		Data []byte `json:"data"`
	}
	err := b.ask(ctx, "Page.captureScreenshot", object{"format": "png"}, &answer)
	return answer.Data, err
}

// Spoken is a part of the page as a screen reader knows it.
type Spoken struct {
	Role, Name string
	Focusable  bool
}

// Spoken gives what a screen reader finds in the page, in its order. What it would skip is left out.
func (b *Browser) Spoken(ctx context.Context) ([]Spoken, error) {
	type text struct {
		Value any `json:"value"`
	}
	var tree struct {
		Nodes []struct {
			Ignored    bool `json:"ignored"`
			Role, Name text
			Properties []struct {
				Name  string `json:"name"`
				Value text   `json:"value"`
			} `json:"properties"`
		} `json:"nodes"`
	}
	if err := b.ask(ctx, "Accessibility.getFullAXTree", nil, &tree); err != nil {
		return nil, err
	}
	var all []Spoken
	for _, n := range tree.Nodes {
		if n.Ignored {
			continue
		}
		s := Spoken{Role: fmt.Sprint(n.Role.Value), Name: fmt.Sprint(n.Name.Value)}
		for _, p := range n.Properties {
			s.Focusable = s.Focusable || p.Name == "focusable" && p.Value.Value == true
		}
		all = append(all, s)
	}
	return all, nil
}

// Requests are the addresses that pages asked for so far.
func (b *Browser) Requests() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return append([]string(nil), b.requests...)
}

// Problems are what went wrong in pages so far: exceptions that nobody caught, and what the browser refused or did not get.
func (b *Browser) Problems() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return append([]string(nil), b.problems...)
}
