// Package aritest is an in-memory stand-in of Asterisk's ARI that can be told to misbehave.
//
// It keeps channels, bridges and one application, serves them by HTTP and websocket (or dials out, as Asterisk's outbound websockets
// do), and tells of changes by events as Asterisk 22 does. What Asterisk does rarely and at the worst moment can be forced: answers
// that are late, wrong or missing ([Server.Rule]), events that are held back, doubled or reordered ([Server.Hold], [Server.Double]),
// sockets that are cut or half-open ([Server.Cut], [Server.Freeze]), another program that takes the application ([Server.Replace]).
//
// It carries no audio and knows no dialplan: what needs those runs against the real Asterisk (package asterisktest). Start reading at
// [New].
package aritest
