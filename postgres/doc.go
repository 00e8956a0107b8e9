// Package postgres connects Hotline to PostgreSQL, or runs a PostgreSQL of its own when there is none.
//
// It owns the managed cluster (a child process on a unix socket below the data directory), the schema's migrations and the shape
// of a transaction. It knows no business word and never deletes a cluster.
//
// Start reading at [Start] for the cluster, [Connect] for the pool, [Migrate] for the schema and [Tx] for transactions. Tests get
// their databases from package pgtest below.
package postgres
