package resp

import "strings"

// helpOf is the subcommand that lists a container's subcommands.
func helpOf(container *command) *command {
	return &command{
		name: container.name + "|help", arity: 2, flags: flagLoading | flagStale, since: "5.0.0",
		summary: "Returns helpful text about the different subcommands.", run: func(_ *conn, q *request) { container.help(q) },
	}
}

// help replies in lines, as Redis does.
func (cmd *command) help(q *request) {
	lines := []string{strings.ToUpper(cmd.name) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"}
	for _, sub := range cmd.subs {
		_, name, _ := strings.Cut(sub.name, "|")
		lines = append(lines, strings.TrimSpace(strings.ToUpper(name)+" "+sub.syntax), "    "+sub.summary)
	}
	q.out = appendArray(q.out, len(lines))
	for _, line := range lines {
		q.out = appendStatus(q.out, line)
	}
}
