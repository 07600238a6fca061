// Package database owns how Gatehouse uses PostgreSQL: connections that are
// bound to a service's schema and role ([Open]), transactions with retry
// ([DB.InTx]), leases for work that must run once ([DB.Lease]), and
// migrations ([Migrate]).
//
// It leaves the tables to the services (migrations/, services/*/postgres) and
// the supervised local server to internal/database/localpg.
package database
