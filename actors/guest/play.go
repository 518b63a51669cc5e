package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// ScriptFormat describes scripts, for people.
const ScriptFormat = `A script is text: blocks that are parted by empty lines, each with commands above a line ---- and what came of them below. What is sent goes nowhere
but into the script; actors keep what they keep from one block to the next.

  call ACTOR METHOD [JSON]              a message; what comes is the reply, or "! CODE: why not (REASON)", and then, indented, what it did:
  tell ACTOR METHOD [JSON]                put KEY VALUE · del KEY · tell TO METHOD JSON · ask TO METHOD JSON · remind … · forget NAME
  reminder ACTOR METHOD [JSON]
  answer ACTOR METHOD TOKEN [JSON]      the reply to a question; tokens are 1, 2, 3, … in the order of the questions
  refuse ACTOR METHOD TOKEN REASON
  from [ACTOR]                          who sends what follows; nobody, if it is left out
  now MILLISECONDS                      the time of what follows; 0 at first
  keep ACTOR LAYOUT [KEY VALUE]         gives an actor data of a layout, for messages that migrate it
  data ACTOR                            shows what an actor keeps

Keys and values with blanks are quoted, as in "two words". A line that begins with # is a comment.
`

// Played is what came of a script.
type Played struct {
	Text     string   // the script, with what came of each block as it is now
	Messages int      // that were handled
	Fuel     uint64   // that they used, together
	Hashes   []string // of the outcomes, one by one
}

// ScriptError says where a script is not one.
type ScriptError struct {
	Line   int // from 1
	Reason string
}

// Error names the line.
func (e *ScriptError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// player is a script while it is played.
type player struct {
	*Rehearsal
	ctx    context.Context
	played Played
	out    []string
	from   string
	now    int64
}

// Play has the rehearsal's actors handle the messages of a script (ScriptFormat). The error is a *ScriptError, or of the rehearsal.
func (r *Rehearsal) Play(ctx context.Context, script string) (*Played, error) {
	p := &player{Rehearsal: r, ctx: ctx}
	var text strings.Builder
	below := false // the line ----: what came of the block before, which is made anew
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(script, "\r\n", "\n"), "\n"), "\n")
	for i, line := range lines {
		switch {
		case line == "":
			below = false
			fmt.Fprintln(&text)
		case below:
		case line == "----":
			below = true
			fmt.Fprintln(&text, line)
			p.flush(&text)
		default:
			fmt.Fprintln(&text, line)
			if err := p.step(line); err != nil {
				return nil, at(i+1, err)
			}
		}
		if !below && len(p.out) > 0 && (i+1 == len(lines) || lines[i+1] == "") { // the block has no line ---- yet
			fmt.Fprintln(&text, "----")
			p.flush(&text)
		}
	}
	p.played.Text = text.String()
	return &p.played, nil
}

func (p *player) flush(text *strings.Builder) {
	for _, line := range p.out {
		fmt.Fprintln(text, line)
	}
	p.out = nil
}

// at says where an error of the script is. Others are of the rehearsal.
func at(line int, err error) error {
	var wrong *ScriptError
	if errors.As(err, &wrong) {
		wrong.Line = line
	}
	return err
}

func wrong(format string, args ...any) error {
	return &ScriptError{Reason: fmt.Sprintf(format, args...)}
}

// step carries out a line.
func (p *player) step(line string) error {
	if strings.HasPrefix(line, "#") {
		return nil
	}
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "call", "tell", "reminder", "answer", "refuse":
		return p.message(verb, rest)
	case "from":
		p.from = strings.TrimSpace(rest)
		return nil
	case "now":
		var err error
		if p.now, err = strconv.ParseInt(rest, 10, 64); err != nil {
			return wrong("now %s: write Unix milliseconds", rest)
		}
		return nil
	case "keep":
		return p.keep(rest)
	case "data":
		return p.data(rest)
	}
	return wrong("%q is no command; there are call, tell, reminder, answer, refuse, from, now, keep and data", verb)
}

// message has an actor handle a message, and notes what came of it.
func (p *player) message(verb, rest string) error {
	actor, rest, _ := strings.Cut(rest, " ")
	method, rest, _ := strings.Cut(rest, " ")
	if err := p.known(actor); err != nil {
		return err
	}
	if method == "" {
		return wrong("%s %s: the method is missing", verb, actor)
	}
	r := Request{Event: act.Reply, Envelope: act.Envelope{Self: actor, Sender: p.from, Method: method, Now: p.now, Seed: uint64(p.played.Messages + 1), Number: uint64(p.played.Messages + 1)}}
	if verb == "answer" || verb == "refuse" {
		token, more, _ := strings.Cut(rest, " ")
		var err error
		if r.Token, err = strconv.ParseUint(token, 10, 64); err != nil {
			return wrong("%s %s %s %s: write the token behind the method", verb, actor, method, token)
		}
		rest = more
	} else {
		r.Event, _ = Event(verb)
	}
	if verb == "reminder" {
		r.Sender = actor
	}
	if verb == "refuse" {
		text, _ := json.Marshal(rest) // a string always can be
		r.Status, rest = act.Refused, string(text)
	}
	if rest != "" && !json.Valid([]byte(rest)) {
		return wrong("%s is no JSON", rest)
	}
	r.Payload = []byte(rest)
	o, err := p.Handle(p.ctx, r)
	if err != nil {
		return err
	}
	p.played.Messages++
	p.played.Fuel += o.Fuel
	p.played.Hashes = append(p.played.Hashes, o.Hash)
	var own *virtual.Error
	if errors.As(o.Err, &own) {
		line := fmt.Sprintf("! %s: %s", own.Code, oneLine(own.Text))
		if own.Reason != "" {
			line += " (" + oneLine(own.Reason) + ")"
		}
		p.out = append(p.out, line)
		return nil
	}
	p.out = append(p.out, oneLine(string(o.Reply)))
	for _, e := range o.Effects {
		p.out = append(p.out, "  "+oneLine(e))
	}
	return nil
}

// oneLine keeps what a guest says from looking like another line of the script.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", `\n`) }

// known refuses what is no actor of the rehearsal's kind.
func (p *player) known(actor string) error {
	id, err := virtual.ParseID(actor)
	if err != nil {
		return wrong("%v", err)
	}
	if kind := p.module.Manifest.Kind; id.Kind != kind {
		return wrong("%s is no actor of kind %s, which is what the module is", actor, kind)
	}
	return nil
}

func (p *player) keep(rest string) error {
	words, err := scriptWords(rest)
	if err != nil {
		return err
	}
	if len(words) != 2 && len(words) != 4 {
		return wrong("keep takes ACTOR LAYOUT, and KEY VALUE or neither")
	}
	if err := p.known(words[0]); err != nil {
		return err
	}
	layout, err := strconv.Atoi(words[1])
	if err != nil || layout < 0 || layout > act.MaxData {
		return wrong("%s is no layout; write a number from 1, or 0 for an actor without data", words[1])
	}
	data, _ := p.Data(words[0])
	if len(words) == 4 {
		data[words[2]] = words[3]
	}
	p.Give(words[0], layout, data)
	return nil
}

func (p *player) data(rest string) error {
	actor := strings.TrimSpace(rest)
	if err := p.known(actor); err != nil {
		return err
	}
	data, layout := p.Data(actor)
	if len(data) == 0 {
		p.out = append(p.out, actor+" keeps nothing")
		return nil
	}
	p.out = append(p.out, fmt.Sprintf("%s, layout %d:", actor, layout))
	for _, key := range slices.Sorted(maps.Keys(data)) {
		p.out = append(p.out, "  "+Quote(key)+" "+Quote(data[key]))
	}
	return nil
}

// scriptWords parts a line at blanks; a word in quotes is as Quote writes it.
func scriptWords(text string) (words []string, err error) {
	for text = strings.TrimLeft(text, " "); text != ""; text = strings.TrimLeft(text, " ") {
		if text[0] != '"' {
			word, rest, _ := strings.Cut(text, " ")
			words, text = append(words, word), rest
			continue
		}
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return nil, wrong("%s does not end its quotes", text)
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, wrong("%s: %v", quoted, err)
		}
		words, text = append(words, word), text[len(quoted):]
	}
	return words, nil
}
