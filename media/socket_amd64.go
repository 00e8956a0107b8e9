package media

// Numbers of system calls that package syscall has frozen without.
const (
	sysRecvmmsg = 299
	sysSendmmsg = 307
)
