package sip

import (
	"context"
	"log/slog"

	sipmsg "github.com/emiago/sipgo/sip"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/call"
	"hotline/sip/guard"
	"hotline/sip/trace"
	"hotline/trunks"
)

// The configuration side of the edge lives in packages of its own; these are the names by which it is known outside.
type (
	Directory     = trunks.Directory
	Trunk         = trunks.Trunk
	TrunkSettings = trunks.TrunkSettings
	TrunkState    = trunks.TrunkState
	Credentials   = trunks.Credentials
	Register      = trunks.Register
	Number        = trunks.Number
	Guard         = guard.Guard
	GuardConfig   = guard.Config
	Trace         = trace.Trace
	TraceConfig   = trace.Config
	TraceMessage  = trace.Wire
	Message       = trace.Message
)

// OpenDirectory reads trunks and numbers; [Directory.Run] keeps them up to date.
func OpenDirectory(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) (*Directory, error) {
	return trunks.Open(ctx, pool, log)
}

// NewGuard makes what stands between strangers and the edge.
func NewGuard(cfg GuardConfig) *Guard { return guard.New(cfg) }

// NewTrace makes what keeps the messages of calls.
func NewTrace(cfg TraceConfig) *Trace { return trace.New(cfg) }

// callerOf says who calls, as far as the trunk may be believed.
func callerOf(t *Trunk, req *sipmsg.Request) call.Party { return trunks.CallerOf(t, req) }
