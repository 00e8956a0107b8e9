package ari

// Gone says that the channel or bridge is not there any more (404): a normal outcome, no alarm.
func Gone(err error) bool { return false }

// Conflict says that the state does not allow it (409): not in Stasis, not in the bridge, id taken.
func Conflict(err error) bool { return false }

// Precondition says that the channel is in a state that does not allow it (412): not answered, say.
func Precondition(err error) bool { return false }

// Unprocessable says that it makes no sense for this channel or bridge (422).
func Unprocessable(err error) bool { return false }

// Unavailable says that there is no answer: not connected, connection lost, or time over. Whether it was done is unknown.
func Unavailable(err error) bool { return false }
