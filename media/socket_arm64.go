package media

// Numbers of system calls that package syscall has frozen without.
const (
	sysRecvmmsg = 243
	sysSendmmsg = 269
)
