package act

// Version is the version of the ABI, which a module names in its manifest and by its marker export.
const Version = 1

// SectionName is the name of the custom section that holds the manifest.
const SectionName = "troupe.actor"

// Names of the exports. The first four are required.
const (
	ExportMemory     = "memory"
	ExportMarker     = "act_abi_1"   // func(); says that the module speaks version 1, and is never called
	ExportInbox      = "act_inbox"   // func(size i32) -> ptr i32; memory for an envelope of up to that size. 0: there is none
	ExportHandle     = "act_handle"  // func(event i32, length i32) -> i32; 0 commits
	ExportMigrate    = "act_migrate" // func(from i32, length i32) -> i32; optional
	ExportInitialize = "_initialize" // of modules built by Go; called before all others
)

// Required lists the exports without which a module is no kind of actors.
func Required() []string { return []string{ExportMemory, ExportMarker, ExportInbox, ExportHandle} }

// Names of the imports. A module may import these, what policies may of module host, and of WASI what grants nothing.
const (
	Module = "act"

	ImportGet    = "get"
	ImportPut    = "put"
	ImportDelete = "del"
	ImportScan   = "scan"
	ImportNext   = "next"
	ImportReply  = "reply"
	ImportTell   = "tell"
	ImportAsk    = "ask"
	ImportRemind = "remind"
	ImportForget = "forget"
	ImportRandom = "random"
	ImportReason = "reason"
)

// A Signature is the type of an import: i for i32, I for i64; Result "" is none.
type Signature struct{ Params, Result string }

// Imports gives the functions of module act with their types.
func Imports() map[string]Signature {
	return map[string]Signature{
		ImportGet:    {"iiii", "i"},
		ImportPut:    {"iiii", ""},
		ImportDelete: {"ii", ""},
		ImportScan:   {"ii", "i"},
		ImportNext:   {"iii", "i"},
		ImportReply:  {"ii", ""},
		ImportTell:   {"iiiiii", ""},
		ImportAsk:    {"iiiiii", "I"},
		ImportRemind: {"iiIIiiii", ""},
		ImportForget: {"ii", ""},
		ImportRandom: {"ii", ""},
		ImportReason: {"ii", ""},
	}
}

// Event is why act_handle is called. It crosses the border as a number: never reorder, only append.
type Event uint32

// The events.
const (
	Call     Event = iota + 1 // somebody waits for the reply
	Tell                      // a message that nobody waits for
	Reply                     // the answer to an act.ask
	Reminder                  // one that the actor has set has come
	Activate                  // kept for a later version; not sent
)

var events = [...]string{"", "call", "tell", "reply", "reminder", "activate"}

// String is the event's name.
func (e Event) String() string {
	if int(e) < len(events) {
		return events[e]
	}
	return "event"
}

// EventOf finds an event by its name; 0 if there is none.
func EventOf(name string) Event {
	for e, known := range events {
		if known == name && e > 0 {
			return Event(e)
		}
	}
	return 0
}

// Statuses of an answer, in an envelope of event Reply.
const (
	Answered = 0 // the payload is the reply
	Refused  = 1 // the payload is why, as a JSON string
)

// None is what act.get gives for a key that is not there, and act.next at the end: -1, as the host returns it.
const None = 1<<32 - 1

// Bounds of every host, whatever a manifest asks for.
const (
	MaxKey     = 1024    // bytes of a key; at least 1
	MaxTarget  = 1024    // bytes of a kind and a name, with their slash
	MaxMethod  = 64      // bytes of a method's or a reminder's name, or of a reason; at least 1
	MaxCursors = 16      // that are open at a time
	MaxPayload = 1 << 20 // bytes of a message's payload, of a reply, of a value
	MaxText    = 4096    // bytes of what host.error keeps

	MinEvery = 1000 // milliseconds between two comings of a reminder
)
