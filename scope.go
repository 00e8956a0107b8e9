package hotline

import "slices"

// Scope is whose tickets and calls somebody sees. The zero value sees nothing. It is enforced where rows are read, in SQL.
type Scope struct {
	All     bool     // everything
	Account string   // what this account owns, took part in or was mentioned in; "" for a program
	Queues  []string // everything in these queues
	People  []string // what these accounts own: colleagues of the teams that somebody supervises
	Loose   bool     // what is in no queue and nobody's yet
}

// Sees says whether everything in a queue is in scope.
func (s Scope) Sees(queue string) bool {
	return s.All || queue != "" && slices.Contains(s.Queues, queue)
}
