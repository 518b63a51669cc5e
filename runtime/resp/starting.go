package resp

import (
	"io"
	"net"
	"strings"
	"time"
)

// startingLimit is how long a client of a node that does not serve yet may take, for its command and for the answer.
const startingLimit = 5 * time.Second

// Starting answers the first command of a client whose node does not serve yet by LOADING and why, and closes the connection. Clients
// come again after a pause, as they do while a Redis server loads its data.
func Starting(nc net.Conn, why string) {
	defer nc.Close()
	if nc.SetDeadline(time.Now().Add(startingLimit)) != nil {
		return
	}
	var some [4096]byte
	if _, err := nc.Read(some[:]); err != nil {
		return
	}
	if _, err := io.WriteString(nc, "-LOADING "+strings.NewReplacer("\r", " ", "\n", " ").Replace(why)+"\r\n"); err != nil {
		return
	}
	if half, ok := nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, nc) // closing with commands unread would take the answer back
	}
}
